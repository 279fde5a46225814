// Bounds how deep and how wide a client's JSON may be, so that everything behind it may walk it.
import { isPlainObject } from "../expression/cel.ts";

/** Levels of a client's JSON: more is nobody's request, and would only wear out what walks it. */
export const deepest = 64;

/** Values of a client's JSON on all levels: more is nobody's request, and would only wear out what walks it. */
export const mostValues = 10_000;

/** Says what is wrong with the shape of a value, as the end of a sentence; undefined for a valid one. */
export function shapeProblem(value: object): string | undefined {
  let level: object[] = [value];
  let count = 0;
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth === deepest) return `is nested deeper than ${deepest} levels`;
    const below: object[] = [];
    for (const item of level) {
      for (const inner of Object.values(item) as unknown[]) {
        count += 1;
        if (count > mostValues) return `has more than ${mostValues} values`;
        // Anything else is a picture's bytes, however many.
        if (Array.isArray(inner) || isPlainObject(inner)) below.push(inner);
      }
    }
    level = below;
  }
  return undefined;
}
