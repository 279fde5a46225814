// Makes the fields of a form of a model's JSON Schema.

/** A JSON Schema, as far as a form is made of it. */
export interface Schema {
  type?: string | readonly string[];
  title?: string;
  description?: string;
  enum?: readonly unknown[];
  const?: unknown;
  anyOf?: readonly Schema[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  maxLength?: number;
  default?: unknown;
  properties?: Readonly<Record<string, Schema | boolean>>;
  $defs?: Readonly<Record<string, Schema>>;
  "x-size"?: { one_of?: readonly string[]; pixels?: object };
}

/** A field of the form. */
export interface Field {
  name: string;
  title: string;
  help: string;
  kind: "choice" | "flag" | "number" | "text" | "size" | "json";
  /** The values of a choice or a size. */
  values: readonly string[];
  /** True for a size that may also be other than these. */
  isOpen: boolean;
  min?: number;
  max?: number;
  isWhole: boolean;
  longest?: number;
  /** The value that holds where none is given. */
  usual?: string;
}

/** Fields that the console has a place of its own for, or sets itself. */
const elsewhere = new Set(["model", "prompt", "image", "images", "mask", "response_format", "stream", "partial_images", "metadata"]);

/** Fields that stand first, in this order; the others follow as the schema has them. */
const first = ["size", "n", "quality", "output_format", "background", "style", "negative_prompt", "seed"];

/** The fields of a model: those that all models share, as its own schema narrows them, and its own. */
export function fieldsOf(schema: Schema): Field[] {
  const common = schema.$defs?.common?.properties ?? {};
  const own = schema.properties ?? {};
  const names = [...new Set([...Object.keys(common), ...Object.keys(own)])].filter((name) => !elsewhere.has(name) && own[name] !== false);
  const place = (name: string) => (first.includes(name) ? first.indexOf(name) : first.length);
  return names
    .sort((one, other) => place(one) - place(other))
    .flatMap((name) => fieldOf(name, { ...partOf(common[name]), ...partOf(own[name]) }));
}

/** A field as the model's schema describes it. */
export function describedIn(schema: Schema, name: string): Schema {
  return { ...partOf(schema.$defs?.common?.properties?.[name]), ...partOf(schema.properties?.[name]) };
}

const partOf = (part: Schema | boolean | undefined): Schema => (typeof part === "object" ? part : {});

function fieldOf(name: string, schema: Schema): Field[] {
  // A field that may be one value only leaves nothing to say.
  if (schema.const !== undefined) return [];
  const { title = name.replaceAll("_", " "), description = "", minimum, exclusiveMinimum, maximum, maxLength } = schema;
  const types = [schema.type ?? []].flat();
  const values = (schema.enum ?? schema.anyOf?.find((form) => form.enum)?.enum)?.map(String);
  const sizes = schema["x-size"];
  const base = { name, title, help: description, values: values ?? sizes?.one_of ?? [], isOpen: false, isWhole: types.includes("integer") };
  const rest = { min: minimum ?? exclusiveMinimum, max: maximum, longest: maxLength, usual: usualOf(schema.default) };
  const kind = kindOf({ types, hasValues: values !== undefined, isSize: sizes !== undefined || name === "size" });
  const isOpen = kind === "size" && (sizes?.pixels !== undefined || base.values.length === 0);
  return [{ ...base, ...rest, kind, isOpen }];
}

function usualOf(value: unknown): string | undefined {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : undefined;
}

function kindOf({ types, hasValues, isSize }: { types: readonly string[]; hasValues: boolean; isSize: boolean }): Field["kind"] {
  if (hasValues) return "choice";
  if (isSize) return "size";
  if (types.includes("boolean")) return "flag";
  if (types.includes("integer") || types.includes("number")) return "number";
  return types.includes("string") || types.length === 0 ? "text" : "json";
}

/** The value that was written into a field, as the request has it; undefined for nothing. Throws a SyntaxError for JSON that is none. */
export function valueOf({ kind, values, isOpen }: Pick<Field, "kind" | "values" | "isOpen">, written: string): unknown {
  if (written.trim() === "") return undefined;
  if (kind === "flag") return written === "true";
  if (kind === "number") return Number(written);
  if (kind === "json") return JSON.parse(written) as unknown;
  return kind === "choice" || (kind === "size" && !isOpen) ? (values.find((value) => value === written) ?? written) : written;
}
