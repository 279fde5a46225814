// Reads the preferences of a client.

/**
 * The preferences of the header `Prefer` (RFC 7240), as `name` or `name=value` in lower case. Their parameters are left out, since none of ours
 * has any, and so are values with more than letters, digits and dashes.
 */
export function preferencesIn(header: string | readonly string[] | undefined): string[] {
  return String(header ?? "")
    .replaceAll(/"((?:[^"\\]|\\.)*)"/g, (_quoted, text: string) => (/^[\w-]*$/.test(text) ? text : ""))
    .split(",")
    .map((preference) => preference.replace(/;.*/s, "").replaceAll(/\s/g, "").toLowerCase());
}
