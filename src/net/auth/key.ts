// Reads a channel's key, which may have several parts.
import type { AuthSpec } from "./spec.ts";

/** A channel's key: one text, or parts with names. */
export type Key = string | Record<string, string>;

/** The names of the parts that this kind of auth needs, in the order of the text form `id|secret`; undefined for a kind that takes one text. */
export function keyParts(spec: AuthSpec): string[] | undefined {
  if (typeof spec === "string" || "header" in spec || "query" in spec || "body" in spec) return undefined;
  if ("google_service_account" in spec) return ["email", "private_key"];
  if (!("jwt" in spec)) return ["id", "secret"];
  const named = Object.values(spec.jwt.claims).flatMap((claim) => /^\$\{key\.(\w+)\}$/.exec(String(claim))?.[1] ?? []);
  return [...new Set([...named, spec.jwt.algorithm === "HS256" ? "secret" : "private_key"])];
}

/** The parts that the key has; some may be missing. */
export function partsOf(spec: AuthSpec, key: Key): Record<string, string> {
  const given = typeof key === "string" ? (readDocument(key) ?? split(key, keyParts(spec))) : key;
  return given.client_email === undefined ? given : { email: given.client_email, ...given };
}

/** Says what a key lacks for this kind of auth; undefined for a complete key. Repeats no part of the key. */
export function keyProblem(spec: AuthSpec, key: Key): string | undefined {
  const names = keyParts(spec);
  const parts = partsOf(spec, key);
  if (!names || names.every((name) => parts[name])) return undefined;
  const wanted = names.map((name) => `${name}: ...`).join(", ");
  return `${Object.keys(spec).join()} needs a key with parts, keys: [{ ${wanted} }], or one text, ${names.join("|")}`;
}

/**
 * Finds a character in a key that cannot be sent, such as a line break or a zero-width space that was copied with it. Returns a sentence for the
 * operator that says where it stands, or undefined for a key that can be sent. Shows no part of the key.
 */
export function unsendable(spec: AuthSpec, key: Key): string | undefined {
  const named = keyParts(spec);
  const parts = named ? partsOf(spec, key) : { "": textOf(key) };
  for (const name of named ? [...named, "token"] : [""]) {
    const wrong = Array.from(parts[name] ?? "").findIndex((sign) => forbidden(spec, name).test(sign));
    const whole = name === "" ? "" : ` of its ${name}`;
    if (wrong >= 0) return `character ${wrong + 1}${whole} cannot be sent; set it anew without that`;
  }
  return undefined;
}

/**
 * The characters that a part must not hold. A part sent in a header takes printable ASCII; a part that is escaped or hashed takes any
 * visible one.
 */
function forbidden(spec: AuthSpec, part: string): RegExp {
  if (part === "private_key") return /[^\t\r\n\x20-\x7e]/;
  const inHeader =
    part === "" ? spec === "bearer" || (typeof spec === "object" && "header" in spec) : /^(id|token)$/.test(part) && isSigned(spec);
  return inHeader ? /[^\x20-\x7e]/ : /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
}

function isSigned(spec: AuthSpec): boolean {
  return typeof spec === "object" && ("sigv4" in spec || "volcengine" in spec || "tc3" in spec);
}

/** The key as one text, for the kinds of auth that take one text. */
export function textOf(key: Key): string {
  return typeof key === "string" ? key : Object.values(key).join(":");
}

/**
 * Every text that must never be shown: the keys, their parts, and their encoded forms. Longer texts come first, since a text may begin with a
 * shorter one. Pieces of a key under 8 characters are left out: they are no secrets, and masking them would hide ordinary words.
 */
export function secretsOf(keys: readonly Key[]): string[] {
  const texts = keys.flatMap((key) => {
    if (typeof key !== "string") return [...Object.values(key), textOf(key)];
    return [key, ...Object.values(readDocument(key) ?? key.split("|")).filter((piece) => piece.length >= 8)];
  });
  const sent = texts.flatMap((text) => [
    text,
    Buffer.from(text).toString("base64"),
    new URLSearchParams([["", text]]).toString().slice(1),
    encodeURIComponent(text),
  ]);
  // An empty text occurs everywhere, and hides nothing.
  return [...new Set(sent)].filter((text) => text !== "").sort((a, b) => b.length - a.length);
}

function split(text: string, names: string[] = []): Record<string, string> {
  const pieces = text.split("|");
  return pieces.length === names.length ? Object.fromEntries(names.map((name, index) => [name, String(pieces[index])])) : {};
}

/** Reads a key that is a JSON document, such as a service account's file put into one environment variable. */
function readDocument(text: string): Record<string, string> | undefined {
  if (!text.trimStart().startsWith("{")) return undefined;
  try {
    const document = JSON.parse(text) as Record<string, unknown>;
    return Object.fromEntries(Object.entries(document).filter((entry): entry is [string, string] => typeof entry[1] === "string"));
  } catch {
    return undefined;
  }
}
