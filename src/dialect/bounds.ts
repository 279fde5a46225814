// Bounds how much of a provider's answer is read, depending on the request: a provider's answers are not trusted.
import type { JsonBounds } from "../picture/json-gauge.ts";

/** Largest answer of a provider, in bytes: nine pictures of 20 MB fit as base64. */
export const answerLimit = 256 * 1024 * 1024;

/** Largest answer with an error status, in bytes: it may repeat the pictures of the request. */
export const errorLimit = 32 * 1024 * 1024;

/** Longest text in an answer that is not a picture, in bytes: it is held in memory as a whole. */
export const wordsLimit = 4 * 1024 * 1024;

/** Events that a provider's stream may have: no stream of pictures has nearly as many. */
export const eventLimit = 10_000;

/** The most pictures that are taken from an answer to a request for `n`. Some providers return four when asked for one. */
export function mostPictures(n: number): number {
  return Math.max(64, 4 * n);
}

/** Limits of an answer's JSON without its long texts. Pictures of up to 64 KB are not long texts, so room for them is included. */
export function jsonBounds(n: number): JsonBounds {
  return { text: wordsLimit + mostPictures(n) * 64 * 1024, values: 50_000, depth: 100 };
}

/** Unpacked size up to which a compressed answer is not judged, in bytes: that many do no harm. */
export const inflatedFree = 8 * 1024 * 1024;

/**
 * Factor by which a larger answer may grow when it is unpacked: base64 of blank pictures shrinks to a fiftieth, and only an answer made to
 * do harm shrinks much more.
 */
export const inflatedMost = 200;
/** Compressed bytes that may have arrived before counting began, in bytes: they are added to the count. */
export const uncounted = 64 * 1024;

/** True if this many compressed bytes cannot honestly expand to this many bytes. */
export function isBomb(inflated: number, compressed: number): boolean {
  return inflated > inflatedFree && inflated > inflatedMost * (compressed + uncounted);
}
