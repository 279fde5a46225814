import type { OutgoingRequest } from "./send.ts";

/** A channel's key: one text, or parts with names. */
export type Key = string | Record<string, string>;

/** How a channel shows its key: `bearer`, `basic`, `{ header, scheme? }` or `{ query }`. */
export type AuthKind = "bearer" | "basic" | "none" | { header: string; scheme?: string } | { query: string };

/** Put the key on a request that is otherwise complete. */
export function sign(request: OutgoingRequest, kind: AuthKind, key: Key): OutgoingRequest {
  const text = typeof key === "string" ? key : Object.values(key).join(":");
  if (kind === "none") return request;
  if (kind === "bearer") return withHeader(request, "authorization", `Bearer ${text}`);
  if (kind === "basic") return withHeader(request, "authorization", `Basic ${Buffer.from(text).toString("base64")}`);
  if ("header" in kind) return withHeader(request, kind.header, kind.scheme ? `${kind.scheme} ${text}` : text);
  const url = new URL(request.url);
  url.searchParams.set(kind.query, text);
  return { ...request, url: url.href };
}

function withHeader(request: OutgoingRequest, name: string, value: string): OutgoingRequest {
  return { ...request, headers: { ...request.headers, [name.toLowerCase()]: value } };
}

/** Every text that must never be shown: the key's parts, and what the kinds of auth make of them. Longer ones first: one may begin another. */
export function secretsOf(keys: readonly Key[]): string[] {
  const texts = keys.flatMap((key) => (typeof key === "string" ? [key] : [...Object.values(key), Object.values(key).join(":")]));
  const sent = texts.flatMap((text) => [text, Buffer.from(text).toString("base64"), new URLSearchParams([["", text]]).toString().slice(1)]);
  return [...new Set(sent)].sort((a, b) => b.length - a.length);
}
