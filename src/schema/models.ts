// Compiles the models' schemas, which judge clients' requests.
import type { AnySchemaObject, ErrorObject, ValidateFunction } from "ajv";
import { messageOf } from "../errors.ts";
import { createAjv } from "./ajv.ts";
import { lazily } from "./lazily.ts";
import { refusal } from "./refuse.ts";

/** A JSON Schema object. Only the keywords that are read here are named. */
export interface ModelSchema {
  [keyword: string]: unknown;
  $ref?: string;
  $defs?: Record<string, unknown>;
  allOf?: ModelSchema[];
  if?: ModelSchema;
  then?: ModelSchema;
  else?: ModelSchema;
  properties?: Record<string, ModelSchema>;
}

/** The operations of a model: pictures from a prompt alone, or from pictures. */
export type OperationName = "generate" | "edit";

export interface CompiledModel {
  id: string;
  schema: ModelSchema;
  /** Fills in the schema's defaults; a request that the schema does not allow is a GatewayError. */
  validate: (request: Record<string, unknown>) => void;
  /** Compiles the schema where that was put off to the first request. */
  prepare: () => void;
  /** Every field the model takes. */
  properties: string[];
  /** The operations of the model, from `x-operations`. */
  operations: readonly OperationName[];
  /** When the model came out, `x-created`, in Unix seconds. */
  created: number;
  /** The schema of a field: the model's keywords over the common ones. */
  describe: (field: string) => ModelSchema;
  /** True where fields that the schema does not name are allowed. */
  open: boolean;
  /** The schema with the common one inside, so that it needs no other file. */
  bundled: ModelSchema;
}

/** A schema that cannot be used. */
export class SchemaError extends Error {
  /** JSON pointer to the culprit inside the schema, where it is known. */
  readonly pointer: string | undefined;

  constructor(message: string, pointer: string | undefined, cause?: unknown) {
    super(message, { cause });
    this.name = "SchemaError";
    this.pointer = pointer;
  }
}

/** Clients want a date of every model: this one where neither its schema nor the common one has any. */
const usualDate = "2026-01-01";

/**
 * Validators by the text of their schema and the common one, the latest last: a reload compiles only what is new. How many are kept
 * is bounded, for a process may live through many edits.
 */
const validators = new Map<string, ValidateFunction>();

/** Compiled schemas that are kept for the next reload: a process may live through many edits. */
export const mostValidators = 300;

/** The manner of compiling: one that `isProven` is compiled when it first judges a request. */
interface Compiling {
  isProven?: boolean;
}

/**
 * Make the compiler for all models of one load. `common` is what they refer to by its `$id`; an error is thrown here where it is not valid,
 * unless it `isProven`. The compiler throws SchemaError for a schema that is not valid or that refers to nothing.
 */
export function createModelCompiler(
  common: ModelSchema,
  { isProven = false }: Compiling = {},
): (id: string, schema: ModelSchema, how?: Compiling) => CompiledModel {
  // All models share one validator: a validator for each takes ten times as long to compile.
  const shared = lazily(() => createAjv({ useDefaults: true }).addSchema(common));
  if (!isProven) shared();
  const commonText = lazily(() => JSON.stringify(common));

  return (id, schema, how = {}) => {
    const judge = lazily(() => compile(id, schema));
    if (!how.isProven) judge();
    const properties = [...new Set(fields(schema))];
    return {
      id,
      schema,
      properties,
      operations: (schema["x-operations"] as OperationName[] | undefined) ?? ["generate"],
      created: Date.parse((schema["x-created"] ?? common["x-created"] ?? usualDate) as string) / 1000,
      describe: (field) => ({ ...common.properties?.[field], ...schema.properties?.[field] }),
      open: schema.unevaluatedProperties !== false && schema.additionalProperties !== false,
      bundled: { ...schema, $defs: { ...schema.$defs, common } },
      prepare: () => void judge(),
      validate: (request) => {
        const check = judge();
        if (!check(request)) throw refusal(check.errors as ErrorObject[], request, properties);
      },
    };
  };

  function compile(id: string, schema: ModelSchema): ValidateFunction {
    const text = `${JSON.stringify(schema)}${commonText()}`;
    const check = validators.get(text) ?? compileNew(id, schema);
    validators.delete(text);
    validators.set(text, check);
    const [oldest = text] = validators.keys();
    if (validators.size > mostValidators) validators.delete(oldest);
    return check;
  }

  function compileNew(id: string, schema: ModelSchema): ValidateFunction {
    const ajv = shared();
    try {
      if (ajv.validateSchema(schema)) return ajv.compile(ownFirst(schema, common));
    } catch (error) {
      const message = messageOf(error);
      throw new SchemaError(`schema of ${id}: ${message}`, pointerIn(message, schema), error);
    }
    const [first] = ajv.errors as [ErrorObject];
    throw new SchemaError(`schema of ${id}: ${first.instancePath || "it"} ${String(first.message)}`, first.instancePath);
  }

  function fields({ $ref, allOf = [], properties = {} }: ModelSchema): string[] {
    return [...($ref === common.$id ? fields(common) : []), ...allOf.flatMap(fields), ...Object.keys(properties)];
  }
}

/**
 * Ajv judges `allOf` before `properties`. Here the model's own, narrower properties come first: so its default wins over the common one,
 * and the client reads "at most 1" at once, not after "at most 10". One that says no type has the common one's. An `if` comes last,
 * since beside `unevaluatedProperties` Ajv takes every field for unknown where it does not hold. Without its `$id` a schema may serve
 * several models.
 */
function ownFirst(schema: ModelSchema, common: ModelSchema): AnySchemaObject {
  const { if: condition, then, else: otherwise, ...rest } = schema;
  const [plain, last] =
    condition === undefined ? [schema, []] : [rest, [{ if: condition, ...(then && { then }), ...(otherwise && { else: otherwise }) }]];
  const properties = Object.fromEntries(
    Object.entries(schema.properties ?? {}).map(([name, own]) => [name, typed(own, common.properties?.[name])]),
  );
  const layers = (schema.allOf ?? []).map((layer) => (layer.$ref === common.$id ? withoutNarrower(common, properties, layer) : layer));
  return { ...plain, properties, $id: undefined, allOf: [{ properties }, ...layers, ...last] };
}

/** A wider limit of a model than the common one, such as 20 pictures, holds. Only then is the common schema compiled anew. */
function withoutNarrower(common: ModelSchema, own: Record<string, ModelSchema>, reference: ModelSchema): ModelSchema {
  const isNarrower = (name: string, [keyword, limit]: [string, unknown]) =>
    ["maximum", "maxItems"].includes(keyword) && Number(own[name]?.[keyword]) > Number(limit);
  const properties = Object.entries(common.properties ?? {});
  if (!properties.some(([name, schema]) => Object.entries(schema).some((entry) => isNarrower(name, entry)))) return reference;
  const kept = properties.map(([name, schema]) => [
    name,
    Object.fromEntries(Object.entries(schema).filter((entry) => !isNarrower(name, entry))),
  ]);
  return { ...common, $id: undefined, properties: Object.fromEntries(kept) as Record<string, ModelSchema> };
}

function typed(own: ModelSchema, common: ModelSchema | undefined): ModelSchema {
  const says = ["type", "$ref", "anyOf", "oneOf", "allOf"].some((keyword) => typeof own !== "object" || keyword in own);
  return says || common?.type === undefined ? own : { type: common.type, ...own };
}

/** Ajv's message names a place in what `ownFirst` made, or else a keyword or value, which is looked for. */
function pointerIn(message: string, schema: ModelSchema): string | undefined {
  const place = /at (?:path )?"#([^"]*)"/.exec(message)?.[1];
  const added = new Set(["0", String(1 + (schema.allOf?.length ?? 0))]);
  if (place !== undefined)
    return place.replace(/^\/allOf\/(\d+)/, (_, index: string) => (added.has(index) ? "" : `/allOf/${Number(index) - 1}`));
  const named = /"(?:[^"\\]|\\.)*"|(?<=reference )\S+/.exec(message)?.[0];
  return named === undefined ? undefined : find(named.startsWith('"') ? JSON.parse(named) : named, schema, "");
}

function find(named: unknown, value: unknown, pointer: string): string | undefined {
  if (value === named) return pointer;
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    const below = `${pointer}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    const found = key === named ? below : find(named, inner, below);
    if (found !== undefined) return found;
  }
  return undefined;
}
