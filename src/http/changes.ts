// Writes the header that lists the changes.
import type { Change } from "../plugin/context.ts";

/** Header `x-pictor-changes`, in bytes: proxies bound the headers of an answer. */
export const headerLimit = 1024;

/** The compact list for `x-pictor-changes`: `size=16:9(4K)>3840x2160, style dropped`. ASCII, the rest percent-encoded, at most 1 KB. */
export function changesHeader(changes: readonly Change[]): string | undefined {
  const kept: string[] = [];
  for (const [index, change] of changes.entries()) {
    const rest = `and ${changes.length - index} more`;
    const text = ascii(describe(change));
    if ([...kept, text, rest].join(", ").length > headerLimit) return [...kept, rest].join(", ");
    kept.push(text);
  }
  return kept.length > 0 ? kept.join(", ") : undefined;
}

function describe({ field, what, from, to }: Change): string {
  if (what !== undefined) return `${field} ${what}`;
  return from === undefined ? `${field}=${shown(to)}` : `${field}=${shown(from)}>${shown(to)}`;
}

function shown(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value ?? null);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}

function ascii(text: string): string {
  return text.replace(/[^\x20-\x7e]|%/gu, (char) =>
    [...Buffer.from(char)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""),
  );
}
