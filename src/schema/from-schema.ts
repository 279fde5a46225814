// Computes the TypeScript type of the values that a JSON Schema accepts.
type TypeName = "object" | "array" | "string" | "integer" | "number" | "boolean" | "null";

/** The part of JSON Schema that the options of plugins and the keys of files are written in. */
export interface JsonSchema {
  readonly type?: TypeName | readonly TypeName[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly items?: JsonSchema;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly description?: string;
  readonly [keyword: string]: unknown;
}

/** Keys that are there for sure: required, or filled in from their default. */
type Present<S extends JsonSchema, P> = {
  [K in keyof P]: P[K] extends { readonly default: unknown }
    ? K
    : S extends { readonly required?: readonly (infer R)[] }
      ? K extends R
        ? K
        : never
      : never;
}[keyof P];

type ObjectOf<S extends JsonSchema> = S extends { readonly properties: infer P extends Readonly<Record<string, JsonSchema>> }
  ? { [K in Present<S, P>]: FromSchema<P[K]> } & { [K in Exclude<keyof P, Present<S, P>>]?: FromSchema<P[K]> }
  : S extends { readonly additionalProperties: infer A extends JsonSchema }
    ? Record<string, FromSchema<A>>
    : Record<string, unknown>;

type ArrayOf<S extends JsonSchema> = S extends { readonly items: infer I extends JsonSchema } ? FromSchema<I>[] : unknown[];

/** The type of a schema's values of each of these types. */
type OfType<S extends JsonSchema, Name> = Name extends "string"
  ? string
  : Name extends "integer" | "number"
    ? number
    : Name extends "boolean"
      ? boolean
      : Name extends "array"
        ? ArrayOf<S>
        : Name extends "object"
          ? ObjectOf<S>
          : null;

/** A schema of a text in one form and a map in another. */
interface TwoForms<Text, Other> {
  readonly if: { readonly type: "string" };
  readonly then: Text;
  readonly else: Other;
}

/**
 * The TypeScript type of the values that a schema accepts. A library that covers all of JSON Schema made the compiler give up
 * ("excessively deep") on a generic function; files and options need no more than this.
 */
export type FromSchema<S extends JsonSchema> = S extends { readonly enum: readonly (infer E)[] }
  ? E
  : S extends { readonly const: infer C }
    ? C
    : S extends TwoForms<infer Text extends JsonSchema, infer Other extends JsonSchema>
      ? FromSchema<Text> | FromSchema<Other>
      : S extends { readonly type: infer T }
        ? OfType<S, T extends readonly (infer Name)[] ? Name : T>
        : unknown;

/** The same, where null deletes what lies below. */
export type Deletable<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { [K in keyof T]: Deletable<T[K]> } | null
    : T | null | undefined;
