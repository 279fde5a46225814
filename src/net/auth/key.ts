import type { AuthSpec } from "./spec.ts";

/** A channel's key: one text, or parts with names. */
export type Key = string | Record<string, string>;

/** The names of the parts that a kind needs, in the order of `id|secret`; undefined where it takes the key as one text. */
export function keyParts(spec: AuthSpec): string[] | undefined {
  if (typeof spec === "string" || "header" in spec || "query" in spec || "body" in spec) return undefined;
  if ("google_service_account" in spec) return ["email", "private_key"];
  if (!("jwt" in spec)) return ["id", "secret"];
  const named = Object.values(spec.jwt.claims).flatMap((claim) => /^\$\{key\.(\w+)\}$/.exec(String(claim))?.[1] ?? []);
  return [...new Set([...named, spec.jwt.algorithm === "HS256" ? "secret" : "private_key"])];
}

/** The key's parts, as far as they are there. */
export function partsOf(spec: AuthSpec, key: Key): Record<string, string> {
  const given = typeof key === "string" ? (readDocument(key) ?? split(key, keyParts(spec))) : key;
  return given.client_email === undefined ? given : { email: given.client_email, ...given };
}

/** What a key lacks for this kind, as a sentence for its operator; undefined for one that will do. Tells no part of the key. */
export function keyProblem(spec: AuthSpec, key: Key): string | undefined {
  const names = keyParts(spec);
  const parts = partsOf(spec, key);
  if (!names || names.every((name) => parts[name])) return undefined;
  const wanted = names.map((name) => `${name}: ...`).join(", ");
  return `${Object.keys(spec).join()} needs a key with parts, keys: [{ ${wanted} }], or one text, ${names.join("|")}`;
}

/** The key as one text, for the kinds that take it so. */
export function textOf(key: Key): string {
  return typeof key === "string" ? key : Object.values(key).join(":");
}

/**
 * Every text that must never be shown: the keys, their parts, and what the kinds of auth make of them. Longer ones first, since
 * one may begin another. A short piece of a text is no secret, and masking it would hide words.
 */
export function secretsOf(keys: readonly Key[]): string[] {
  const texts = keys.flatMap((key) => {
    if (typeof key !== "string") return [...Object.values(key), textOf(key)];
    return [key, ...Object.values(readDocument(key) ?? key.split("|")).filter((piece) => piece.length >= 8)];
  });
  const sent = texts.flatMap((text) => [text, Buffer.from(text).toString("base64"), new URLSearchParams([["", text]]).toString().slice(1)]);
  // An empty part is everywhere, and hides nothing.
  return [...new Set(sent)].filter((text) => text !== "").sort((a, b) => b.length - a.length);
}

function split(text: string, names: string[] = []): Record<string, string> {
  const pieces = text.split("|");
  return pieces.length === names.length ? Object.fromEntries(names.map((name, index) => [name, String(pieces[index])])) : {};
}

/** A key that is a JSON document, such as a service account's file that came in one variable. */
function readDocument(text: string): Record<string, string> | undefined {
  if (!text.trimStart().startsWith("{")) return undefined;
  try {
    const document = JSON.parse(text) as Record<string, unknown>;
    return Object.fromEntries(Object.entries(document).filter((entry): entry is [string, string] => typeof entry[1] === "string"));
  } catch {
    return undefined;
  }
}
