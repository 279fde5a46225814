// Reads by what a client's repeats of a request are known.
import type { Context } from "koa";
import { GatewayError } from "../errors.ts";
import { isRetry } from "./patience.ts";

/** How a request is known by its repeats. */
export interface RepeatName {
  /** True where the client named the request itself, and must get what it was promised or nothing. */
  isKeyed: boolean;
  /** The name, unique among those of its client. */
  of: (fingerprint: string) => string;
  /** True where a request of the same name that is there already is meant. */
  joins: boolean;
  /** How long such a request counts, in milliseconds. */
  life: number;
}

/** Time in which a repeat that an SDK makes by itself counts as one, in milliseconds: its pauses are seconds, its time limits minutes. */
export const retriesWithin = 600_000;

/**
 * Time in which a first attempt that an SDK's retry has overtaken is taken for what that retry began, in milliseconds: through a balancer it may wait
 * at one instance while the retry is served by another. A request like it that is new gets that picture too, once.
 */
export const firstWithin = 30_000;

/** Characters of an `Idempotency-Key`: SDKs make keys of some 40. */
export const longestKey = 255;

/**
 * The name of a request with an `Idempotency-Key`, which counts for `life` milliseconds, or of one from an SDK that counts its own retries
 * (`x-stainless-retry-count`); undefined for any other. Throws a 400 for a key that is none.
 */
export function repeatName({ headers }: Pick<Context["req"], "headers">, life: number): RepeatName | undefined {
  const given = headers["idempotency-key"];
  if (given !== undefined) {
    const key = keyIn(String(given));
    return { isKeyed: true, of: () => `key:${key}`, joins: true, life };
  }
  if (headers["x-stainless-retry-count"] === undefined) return undefined;
  return { isKeyed: false, of: (fingerprint) => `retry:${fingerprint}`, joins: isRetry(headers), life: retriesWithin };
}

/** True for a request whose repeats are known by a name that the client sends or counts with. */
export function isNamed(headers: Context["req"]["headers"]): boolean {
  return headers["idempotency-key"] !== undefined || headers["x-stainless-retry-count"] !== undefined;
}

/** The members of a row by which the repeats of its request find it. */
export function namesOf(
  { isKeyed, joins, of }: RepeatName,
  fingerprint: string,
  createdAt: number,
): { idempotency: string; firstUntil?: number } {
  return { idempotency: of(fingerprint), ...(joins && !isKeyed && { firstUntil: createdAt + firstWithin }) };
}

/** The name of a request that no other repeats, and that needs a row all the same; it is kept for `life` milliseconds. */
export function ownName(id: string, life: number): RepeatName {
  return { isKeyed: false, of: () => `own:${id}`, joins: false, life };
}

/** The key, as it is or as the quoted text of a structured field (RFC 9651). */
function keyIn(given: string): string {
  const text = given.trim();
  const key = /^"(?:[^"\\]|\\["\\])*"$/.test(text) ? text.slice(1, -1).replaceAll(/\\(.)/g, "$1") : text;
  if (key === "" || key.length > longestKey || !/^[\x20-\x7e]+$/.test(key))
    throw new GatewayError("invalid_value", `the header Idempotency-Key must have 1 to ${longestKey} visible ASCII characters`, {
      param: "idempotency-key",
    });
  return key;
}
