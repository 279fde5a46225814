// Finds the secrets among the values of a channel's variables.
import { isPlainObject } from "../expression/cel.ts";

/**
 * The texts of a variable that nobody should be shown: those that it reads from a file, or from a variable of the environment (`names`) that
 * is named as a secret, or that look like one: twelve letters and digits in a row. A region, a version, a name or a number stays: good
 * answers say it again. `written` is the variable as its file has it.
 */
export function secretsAmong(value: unknown, written: unknown, names: readonly string[]): string[] {
  const isNamed = names.some((name) => /KEY|TOKEN|SECRET|PASS/i.test(name)) || /\$\{[^}]*\bfile\(/.test(JSON.stringify(written));
  if (names.length === 0 && !isNamed) return [];
  return textsIn(value).filter((text) => isNamed || /(?=[a-z]*\d)(?=\d*[a-z])[a-z\d]{12}/i.test(text));
}

function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return value.flatMap(textsIn);
  return isPlainObject(value) ? Object.values(value).flatMap(textsIn) : [];
}
