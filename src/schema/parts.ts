// Builds the pieces of JSON Schema that the grammar of channels repeats, with types that `FromSchema` reads.
import type { JsonSchema } from "./from-schema.ts";

/** A text, with what it says. */
export const text = (description: string) => ({ type: "string", description }) as const;

/** Any value. */
export const anything = (description: string) => ({ description });

type Properties = Readonly<Record<string, JsonSchema>>;

type Closed<P, R> = {
  readonly type: "object";
  readonly additionalProperties: false;
  readonly properties: P;
  readonly required?: R;
};

/** A map with these keys and no other. */
export function closed<const P extends Properties>(properties: P): Closed<P, []>;
/** A map with these keys and no other, some of which are required. */
export function closed<const P extends Properties, const R extends readonly (keyof P)[]>(properties: P, required: R): Closed<P, R>;
export function closed(properties: Properties, required?: readonly string[]): Closed<Properties, readonly string[]> {
  return { type: "object", additionalProperties: false, properties, ...(required && { required }) };
}

/** Properties of the same kind, one for each name. */
export const each = <Name extends string, S extends JsonSchema>(names: readonly Name[], make: (name: Name) => S) =>
  Object.fromEntries(names.map((name) => [name, make(name)])) as Record<Name, S>;
