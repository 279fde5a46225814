// Writes once what a schema says several times: compiling takes as long as what is written.
import type { JsonSchema } from "./from-schema.ts";

/** Characters of a schema that is compiled faster than a reference to it. */
const short = 200;

/**
 * A schema that accepts the same and reports the same errors, in which a larger part that stands in several places is a reference to
 * `$defs`. It has no descriptions. Branches of `oneOf` and the like stay as they are, since errors are recognised by their place there.
 */
export function once(schema: JsonSchema): JsonSchema {
  const places = new Map<string, number>();
  const count = (part: JsonSchema): JsonSchema => {
    const text = textOf(part);
    const before = places.get(text) ?? 0;
    places.set(text, before + 1);
    return before === 0 ? withParts(part, count) : part;
  };
  count(schema);
  const names = new Map<string, string>();
  const $defs: Record<string, JsonSchema> = {};
  const written = (part: JsonSchema): JsonSchema => {
    const text = textOf(part);
    if (text.length < short || places.get(text) === 1) return withParts(part, written);
    const name = names.get(text) ?? `part${names.size}`;
    if (!names.has(text)) {
      names.set(text, name);
      $defs[name] = withParts(part, written);
    }
    return { $ref: `#/$defs/${name}` };
  };
  return { ...withParts(schema, written), $defs };
}

function textOf(part: JsonSchema): string {
  return JSON.stringify(part, (key, value: unknown) => (key === "description" && typeof value === "string" ? undefined : value));
}

function withParts(schema: JsonSchema, change: (part: JsonSchema) => JsonSchema): JsonSchema {
  const { properties, items, additionalProperties: others, else: other } = schema as JsonSchema & { else?: JsonSchema };
  return {
    ...schema,
    description: undefined,
    ...(properties && { properties: Object.fromEntries(Object.entries(properties).map(([name, part]) => [name, change(part)])) }),
    ...(items && { items: change(items) }),
    ...(typeof others === "object" && { additionalProperties: change(others) }),
    ...(other && { else: change(other) }),
  };
}
