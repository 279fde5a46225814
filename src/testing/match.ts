// Compares what was sent and answered with what a test expects.
import { isPlainObject } from "../expression/cel.ts";

/** True for a text that matches a test's: `*` stands for anything, except between two digits, where it is part of a size. */
export function isLike(text: string, expected: string): boolean {
  const [first = "", ...rest] = expected.split(/(?<!\d)\*|\*(?!\d)/);
  if (rest.length === 0) return text === expected;
  if (!text.startsWith(first) || !text.endsWith(rest.at(-1) ?? "")) return false;
  let at = first.length;
  for (const piece of rest) {
    const found = text.indexOf(piece, at);
    if (found === -1) return false;
    at = found + piece.length;
  }
  return true;
}

/** Lists what an answer lacks, as sentences. It may hold more, and null also means absent. */
export function lacking(actual: unknown, expected: unknown, path: string): string[] {
  if (isPlainObject(expected) && isPlainObject(actual))
    return Object.entries(expected).flatMap(([name, value]) =>
      lacking(Object.hasOwn(actual, name) ? actual[name] : undefined, value, `${path}.${name}`),
    );
  if (Array.isArray(expected) && Array.isArray(actual) && actual.length === expected.length)
    return expected.flatMap((value, index) => lacking(actual[index], value, `${path}[${index}]`));
  return isSame(actual ?? null, expected) ? [] : [`${path} is ${short(actual)}, expected ${short(expected)}`];
}

/** Lists where a call's body differs from the expected one, as sentences. It may hold nothing more. */
export function unlike(actual: unknown, expected: unknown, path: string): string[] {
  if (isPlainObject(actual) && isPlainObject(expected))
    return [...new Set([...Object.keys(actual), ...Object.keys(expected)])].flatMap((key) =>
      unlike(actual[key], expected[key], `${path}.${key}`),
    );
  if (Array.isArray(actual) && Array.isArray(expected) && actual.length === expected.length)
    return expected.flatMap((value, index) => unlike(actual[index], value, `${path}[${index}]`));
  return isSame(actual, expected) ? [] : [`${path} is ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`];
}

function isSame(actual: unknown, expected: unknown): boolean {
  if (typeof expected === "string" && typeof actual === "string") return isLike(actual, expected);
  return JSON.stringify(actual) === JSON.stringify(expected);
}

function short(value: unknown): string {
  return value === undefined ? "absent" : JSON.stringify(value).slice(0, 200);
}
