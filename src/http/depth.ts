// Bounds how deep a client's JSON may be nested.
import { LongText } from "../picture/lift.ts";

/** JSON deeper than this is nobody's request, and would only wear out what walks it. */
export const deepest = 64;

/** Whether a value is nested deeper than `deepest` levels. */
export function isDeep(value: object): boolean {
  let level: object[] = [value];
  for (let depth = 0; depth < deepest; depth += 1) {
    level = level.flatMap((item) => Object.values(item).filter(isNested));
    if (level.length === 0) return false;
  }
  return true;
}

function isNested(value: unknown): value is object {
  return typeof value === "object" && value !== null && !(value instanceof LongText);
}
