// How much of a provider's answer is read, by what was asked for: a provider is paid, and not trusted.
import type { JsonBounds } from "../picture/json-gauge.ts";

/** A provider's answer, in bytes, at most. */
export const answerLimit = 256 * 1024 * 1024;

/** An answer whose status is an error's, which may repeat the pictures of the request, in bytes, at most. */
export const errorLimit = 32 * 1024 * 1024;

/** A text in an answer that is no picture, in bytes, at most. */
export const wordsLimit = 4 * 1024 * 1024;

/** Events of a stream at most. */
export const eventLimit = 10_000;

/** How many pictures are taken of an answer to a request for `n`. Some providers make four for one. */
export function mostPictures(n: number): number {
  return Math.max(64, 4 * n);
}

/** Limits of an answer's JSON beside long texts; pictures of up to 64 KB count among it. */
export function jsonBounds(n: number): JsonBounds {
  return { text: wordsLimit + mostPictures(n) * 64 * 1024, values: 50_000, depth: 100 };
}

// Base64 of blank pictures shrinks to a fiftieth; what shrinks more, and is large, was made to harm.
const inflatedFree = 8 * 1024 * 1024;
const inflatedMost = 200;
/** Compressed bytes that may have come before they were counted. */
const uncounted = 64 * 1024;

/** True where so many bytes are more than so many compressed ones can honestly be. */
export function isBomb(inflated: number, compressed: number): boolean {
  return inflated > inflatedFree && inflated > inflatedMost * (compressed + uncounted);
}
