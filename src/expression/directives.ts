import { isPlainObject, missing } from "./cel.ts";
import type { Compile, Path, Template, TemplateOptions } from "./template.ts";

/** A file of a form: bytes with a name and a media type. */
export class FilePart {
  readonly content: unknown;
  readonly name: string;
  readonly type: string | undefined;
  constructor(content: unknown, name: string, type: string | undefined) {
    this.content = content;
    this.name = name;
    this.type = type;
  }
}

type Directive = (value: Record<string, unknown>, path: Path, options: TemplateOptions, compile: Compile) => Template;

const nothing: Template = () => missing;

/** The directives that stand for a whole object: what they do, for the reference. */
export const directiveHelp: Record<string, string> = {
  $map: "A table from a value to another: `{ $map: ${request.quality}, to: { hd: high }, else: medium }`.",
  $when: "The rest of this object, if the condition holds: `{ $when: has(request.mask), type: mask }`.",
  $merge: "Objects laid over one another, a null deletes: `{ $merge: [${request}, { model: x }] }`.",
  $each:
    "A list from a list, or an object where `$key` names each: `{ $each: ${list}, $value: { url: ${item} } }`; `item` and `index` stand for each.",
  $json: "A value as JSON text: `{ $json: { seed: ${request.seed} } }`.",
  $file: "A file of a form from base64: `{ $file: ${text}, name: image.png, type: image/png }`.",
  $document:
    "A JSON file beside the channel with values put in at paths: `{ $document: workflow.json, $set: { 6.inputs.text: ${request.prompt} } }`.",
};

export const directives: Record<string, Directive> = {
  $each: (value, path, options, compile) => {
    const names = {
      ...options.names,
      variables: { ...options.names.variables, item: { about: "One element of the list." }, index: { about: "Its place, from 0." } },
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
      return rendered === missing ? missing : JSON.stringify(rendered);
    };
  },

  $file: (value, path, options, compile) => {
    const content = compile(value.$file, [...path, "$file"], options);
    const name = compile(value.name ?? "file", [...path, "name"], options);
    const type = value.type === undefined ? undefined : compile(value.type, [...path, "type"], options);
    return (rendering) => {
      const bytes = content(rendering);
      if (bytes === missing) return missing;
      const kind = type?.(rendering);
      return new FilePart(bytes, String(name(rendering)), typeof kind === "string" ? kind : undefined);
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

function reach(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (inner, step) => (isPlainObject(inner) ? inner[step] : Array.isArray(inner) ? (inner as unknown[])[Number(step)] : undefined),
    value,
  );
}
