// The directives of templates: `$map`, `$when` and their like.
import { InputImage } from "../picture/input.ts";
import { isPlainObject, missing } from "./cel.ts";
import { didYouMean } from "../schema/suggest.ts";
import { dropped, isLeftOut, nothing, type Compile, type Path, type Template, type TemplateOptions } from "./rendering.ts";
import { compileTest, textOf } from "./text.ts";

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

/** Extra names for an expression that is evaluated for each element of a list. */
export const itemNames = { item: { about: "One element of the list." }, index: { about: "Its place, from 0." } };

/** The directives that stand for a whole object: what they do, for the reference. */
export const directiveHelp: Record<string, string> = {
  $map: 'A table from a value to another: `{ $map: "${request.quality}", to: { hd: high }, else: medium }`.',
  $when:
    'The rest of this object, if the condition holds: `{ $when: has(request.mask), type: mask }`. Or any value, and another where it does not: `{ $when: has(size.width), $value: custom, $else: "${size.ratio}" }`.',
  $merge: 'Objects laid over one another, where `$drop` takes a key out: `{ $merge: ["${request}", { model: x, images: $drop }] }`.',
  $each:
    'A list from a list, or an object where `$key` names each: `{ $each: "${list}", $value: { url: "${item}" } }`; `item` and `index` stand for each.',
  $json: 'A value as JSON text: `{ $json: { seed: "${request.seed}" } }`.',
  $file: 'A file of a form from an input image or base64: `{ $file: "${text}", name: image.png, type: image/png }`.',
  $document:
    'A JSON file beside the channel with values put in at paths: `{ $document: workflow.json, $set: { 6.inputs.text: "${request.prompt}" } }`.',
};

export const directives: Record<string, Directive> = {
  $map: compileMap,
  $when: compileWhen,
  $merge: compileMerge,

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
    const item = compile(value.$value, [...path, "$value"], { ...options, names, layer: false });
    return (rendering) => {
      const elements = list(rendering);
      if (!Array.isArray(elements)) return missing;
      const rendered = elements.map((element: unknown, index) => {
        const inner = { ...rendering, variables: { ...rendering.variables, item: element, index: BigInt(index) } };
        return [key?.(inner), item(inner)] as const;
      });
      const present = rendered.filter(([, made]) => !isLeftOut(made));
      return key ? Object.fromEntries(present.map(([name, made]) => [String(name), made])) : present.map(([, made]) => made);
    };
  },

  $json: (value, path, options, compile) => {
    const inner = compile(value.$json, [...path, "$json"], options);
    return (rendering) => {
      const rendered = inner(rendering);
      return isLeftOut(rendered) ? missing : jsonText(rendered);
    };
  },

  $file: (value, path, options, compile) => {
    const content = compile(value.$file, [...path, "$file"], options);
    const name = value.name === undefined ? undefined : compile(value.name, [...path, "name"], options);
    const type = value.type === undefined ? undefined : compile(value.type, [...path, "type"], options);
    return (rendering) => {
      const bytes = content(rendering);
      if (isLeftOut(bytes)) return missing;
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
        if (!isPlainObject(parent)) continue;
        if (made === dropped) Reflect.deleteProperty(parent, String(at.at(-1)));
        else if (made !== missing) parent[String(at.at(-1))] = made;
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

function reach(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (inner, step) => (isPlainObject(inner) ? inner[step] : Array.isArray(inner) ? (inner as unknown[])[Number(step)] : undefined),
    value,
  );
}

/** `$when`: the rest of this object, or the value beside it, if the condition holds; `$else` for where it does not. */
function compileWhen(value: Record<string, unknown>, path: Path, options: TemplateOptions, compile: Compile): Template {
  const { $when, ...rest } = value;
  const { holds, uses } = compileTest($when, [...path, "$when"], options);
  const [then, otherwise] = compileBranches(rest, path, options, compile);
  return (rendering) => {
    const branch = holds(rendering.variables) ? then : (otherwise ?? nothing);
    const chosen = branch(rendering);
    // The choice is how these fields are sent.
    if (!isLeftOut(chosen)) for (const name of uses) rendering.used.add(name);
    return chosen;
  };
}

function compileBranches(rest: Record<string, unknown>, path: Path, options: TemplateOptions, compile: Compile): [Template, Template?] {
  if (!("$value" in rest) && !("$else" in rest)) return [compile(rest, path, options)];
  const unknown = Object.keys(rest).find((key) => key !== "$value" && key !== "$else");
  if (unknown !== undefined)
    options.report([...path, unknown], `unknown key ${unknown} beside $when; with $value or $else, the object's keys stand below $value`);
  if (!("$value" in rest)) options.report([...path, "$else"], "$else needs $value, what stands here if the condition holds");
  return [
    "$value" in rest ? compile(rest.$value, [...path, "$value"], options) : nothing,
    "$else" in rest ? compile(rest.$else, [...path, "$else"], options) : undefined,
  ];
}

/** `$map`: a table from the subject's value to another; `else` for values that it does not list. */
function compileMap(value: Record<string, unknown>, path: Path, options: TemplateOptions, compile: Compile): Template {
  const unknown = Object.keys(value).find((key) => !["$map", "to", "else"].includes(key));
  if (unknown !== undefined)
    options.report([...path, unknown], `unknown key ${unknown} beside $map (${didYouMean(unknown, ["to", "else"])})`);
  if (!isPlainObject(value.to)) {
    options.report(path, "$map needs its table: to: { value: result }");
    return nothing;
  }
  const subject = compile(value.$map, [...path, "$map"], { ...options, required: false });
  const table = new Map(Object.entries(value.to).map(([key, item]) => [key, compile(item, [...path, "to", key], options)]));
  const otherwise = "else" in value ? compile(value.else, [...path, "else"], options) : undefined;
  return (rendering) => {
    const used = new Set<string>();
    const from = subject({ ...rendering, used });
    const key = typeof from === "object" && from !== null ? JSON.stringify(from) : String(from);
    const row = from === missing ? undefined : table.get(key);
    if (!row && (from === missing || !otherwise)) return missing;
    for (const name of used) rendering.used.add(name);
    if (row) return row(rendering);
    const to = otherwise?.(rendering);
    for (const name of used) rendering.mapped(name, from, to === dropped ? missing : to);
    return to;
  };
}

/** Objects laid over one another, key by key; what is dropped goes, and what is no object adds nothing. */
export function laidOver(layers: readonly unknown[]): Record<string, unknown> {
  const merged = new Map<string, unknown>();
  for (const layer of layers) {
    for (const [key, item] of isPlainObject(layer) ? Object.entries(layer) : []) {
      if (item === dropped) merged.delete(key);
      else merged.set(key, item);
    }
  }
  return Object.fromEntries(merged);
}

/** `$merge`: objects laid over one another, key by key; `$drop` takes a key out. */
function compileMerge(value: Record<string, unknown>, path: Path, options: TemplateOptions, compile: Compile): Template {
  if (!Array.isArray(value.$merge) || Object.keys(value).length > 1) {
    options.report(path, "$merge stands alone and takes a list: $merge: [${request}, { model: x }]");
    return nothing;
  }
  const layers = value.$merge.map((layer: unknown, index) => compile(layer, [...path, "$merge", index], { ...options, layer: true }));
  return (rendering) => laidOver(layers.map((layer) => layer(rendering)));
}
