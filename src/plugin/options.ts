// Computes the TypeScript type of a plugin's options from their schema.
/** The part of JSON Schema that plugin options are written in. */
export interface OptionsSchema {
  readonly type?: "object" | "array" | "string" | "integer" | "number" | "boolean";
  readonly properties?: Readonly<Record<string, OptionsSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | OptionsSchema;
  readonly items?: OptionsSchema;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly description?: string;
  readonly [keyword: string]: unknown;
}

/** Options that are there for sure: required, or filled in from their default. */
type Present<S extends OptionsSchema, P> = {
  [K in keyof P]: P[K] extends { readonly default: unknown }
    ? K
    : S extends { readonly required: readonly (infer R)[] }
      ? K extends R
        ? K
        : never
      : never;
}[keyof P];

type ObjectOf<S extends OptionsSchema> = S extends { readonly properties: infer P extends Readonly<Record<string, OptionsSchema>> }
  ? { [K in Present<S, P>]: OptionsOf<P[K]> } & { [K in Exclude<keyof P, Present<S, P>>]?: OptionsOf<P[K]> }
  : S extends { readonly additionalProperties: infer A extends OptionsSchema }
    ? Record<string, OptionsOf<A>>
    : Record<string, unknown>;

/**
 * The TypeScript type of options that a schema accepts. A library that covers all of JSON Schema made the compiler give up
 * ("excessively deep") on a generic function; options need no more than this.
 */
export type OptionsOf<S extends OptionsSchema> = S extends { readonly enum: readonly (infer E)[] }
  ? E
  : S extends { readonly type: "string" }
    ? string
    : S extends { readonly type: "integer" | "number" }
      ? number
      : S extends { readonly type: "boolean" }
        ? boolean
        : S extends { readonly type: "array" }
          ? S extends { readonly items: infer I extends OptionsSchema }
            ? OptionsOf<I>[]
            : unknown[]
          : S extends { readonly type: "object" }
            ? ObjectOf<S>
            : unknown;
