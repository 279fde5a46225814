import { InputImage } from "../picture/input.ts";
import { ExpressionFailure, isPlainObject, missing } from "./cel.ts";
import type { Compile, Path, Template, TemplateOptions } from "./template.ts";

/** A file of a form: bytes with a name and a media type. */
export class FilePart {
  readonly content: unknown;
  /** The content's own where it is an input image. */
  readonly name: string | undefined;
  readonly type: string | undefined;
  constructor(content: unknown, name: string | undefined, type: string | undefined) {
    this.content = content;
    this.name = name;
    this.type = type;
  }
}

type Directive = (value: Record<string, unknown>, path: Path, options: TemplateOptions, compile: Compile) => Template;

/** What an expression knows beside the rest where something is made for each element of a list. */
export const itemNames = { item: { about: "One element of the list." }, index: { about: "Its place, from 0." } };

const nothing: Template = () => missing;

/** The directives that stand for a whole object: what they do, for the reference. */
export const directiveHelp: Record<string, string> = {
  $map: "A table from a value to another: `{ $map: ${request.quality}, to: { hd: high }, else: medium }`.",
  $when: "The rest of this object, if the condition holds: `{ $when: has(request.mask), type: mask }`.",
  $merge: "Objects laid over one another, a null deletes: `{ $merge: [${request}, { model: x }] }`.",
  $each:
    "A list from a list, or an object where `$key` names each: `{ $each: ${list}, $value: { url: ${item} } }`; `item` and `index` stand for each.",
  $json: "A value as JSON text: `{ $json: { seed: ${request.seed} } }`.",
  $file: "A file of a form from an input image or base64: `{ $file: ${text}, name: image.png, type: image/png }`.",
  $document:
    "A JSON file beside the channel with values put in at paths: `{ $document: workflow.json, $set: { 6.inputs.text: ${request.prompt} } }`.",
};

export const directives: Record<string, Directive> = {
  $each: (value, path, options, compile) => {
    const names = {
      ...options.names,
      variables: { ...options.names.variables, ...itemNames },
    };
    if (!("$value" in value)) {
      options.report(path, "$each needs $value, what each element becomes");
      return nothing;
    }
    const list = compile(value.$each, [...path, "$each"], options);
    const key = "$key" in value ? compile(value.$key, [...path, "$key"], { ...options, names }) : undefined;
    const item = compile(value.$value, [...path, "$value"], { ...options, names });
    return (rendering) => {
      const elements = list(rendering);
      if (!Array.isArray(elements)) return missing;
      const rendered = elements.map((element: unknown, index) => {
        const inner = { ...rendering, variables: { ...rendering.variables, item: element, index: BigInt(index) } };
        return [key?.(inner), item(inner)] as const;
      });
      const present = rendered.filter(([, made]) => made !== missing);
      return key ? Object.fromEntries(present.map(([name, made]) => [String(name), made])) : present.map(([, made]) => made);
    };
  },

  $json: (value, path, options, compile) => {
    const inner = compile(value.$json, [...path, "$json"], options);
    return (rendering) => {
      const rendered = inner(rendering);
      return rendered === missing ? missing : jsonText(rendered);
    };
  },

  $file: (value, path, options, compile) => {
    const content = compile(value.$file, [...path, "$file"], options);
    const name = value.name === undefined ? undefined : compile(value.name, [...path, "name"], options);
    const type = value.type === undefined ? undefined : compile(value.type, [...path, "type"], options);
    return (rendering) => {
      const bytes = content(rendering);
      if (bytes === missing) return missing;
      const kind = type?.(rendering);
      const called = name?.(rendering);
      return new FilePart(bytes, typeof called === "string" ? called : undefined, typeof kind === "string" ? kind : undefined);
    };
  },

  $document: (value, path, options, compile) => {
    const document = options.readDocument?.(String(value.$document), [...path, "$document"]);
    const set = isPlainObject(value.$set) ? value.$set : {};
    const values = Object.entries(set).map(([at, item]) => ({ at: at.split("."), item: compile(item, [...path, "$set", at], options) }));
    for (const { at } of values) {
      if (document !== undefined && !isPlainObject(reach(document, at.slice(0, -1)))) {
        options.report([...path, "$set", at.join(".")], `the document has no object at ${at.slice(0, -1).join(".")}`);
      }
    }
    return (rendering) => {
      const copy: unknown = structuredClone(document);
      for (const { at, item } of values) {
        const made = item(rendering);
        const parent = reach(copy, at.slice(0, -1));
        if (made !== missing && isPlainObject(parent)) parent[String(at.at(-1))] = made;
      }
      return copy;
    };
  },
};

/** JSON as one text has no room for an image's bytes. Throws `ExpressionFailure`. */
function jsonText(value: unknown): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, key: string, item: unknown) {
    const own = this[key];
    return own instanceof InputImage ? textOf(own) : item;
  });
}

/** A value put into a text: a text as it is, an image as its URL, everything else as JSON. Throws `ExpressionFailure` for an image without one. */
export function textOf(value: unknown): string {
  if (!(value instanceof InputImage)) return typeof value === "string" ? value : JSON.stringify(value);
  if (value.url !== undefined) return value.url;
  throw new ExpressionFailure(`request.${value.field}`, "an image is no part of a text; it stands alone, or in $file");
}

function reach(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (inner, step) => (isPlainObject(inner) ? inner[step] : Array.isArray(inner) ? (inner as unknown[])[Number(step)] : undefined),
    value,
  );
}
