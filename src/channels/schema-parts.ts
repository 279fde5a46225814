// Builds the pieces of JSON Schema that the grammar repeats.
/** A piece of JSON Schema. */
export type Schema = Record<string, unknown>;

/** A text, with what it says. */
export const text = (description: string): Schema => ({ type: "string", description });
/** Any value. */
export const anything = (description: string): Schema => ({ description });
/** A map with these keys and no other. */
export const closed = (properties: Record<string, Schema>, rest: Schema = {}): Schema => ({
  type: "object",
  additionalProperties: false,
  properties,
  ...rest,
});
