// How much of a provider's answer is read, by what was asked for: a provider is paid, and not trusted.
import type { JsonBounds } from "../picture/json-gauge.ts";

/** Provider's answer, in bytes: nine pictures of 20 MB as base64 pass. */
export const answerLimit = 256 * 1024 * 1024;

/** Answer whose status is an error's, in bytes: it may repeat the pictures of the request. */
export const errorLimit = 32 * 1024 * 1024;

/** Text in an answer that is no picture, in bytes: it is held as a whole. */
export const wordsLimit = 4 * 1024 * 1024;

/** Events of a provider's stream: no stream of pictures has nearly as many. */
export const eventLimit = 10_000;

/** How many pictures are taken of an answer to a request for `n`. Some providers make four for one. */
export function mostPictures(n: number): number {
  return Math.max(64, 4 * n);
}

/** Limits of an answer's JSON beside long texts; pictures of up to 64 KB count among it. */
export function jsonBounds(n: number): JsonBounds {
  return { text: wordsLimit + mostPictures(n) * 64 * 1024, values: 50_000, depth: 100 };
}

/** Unpacked size up to which a compressed answer is not judged, in bytes: so much does no harm. */
export const inflatedFree = 8 * 1024 * 1024;

/**
 * Times that a larger answer may grow when it is unpacked: base64 of blank pictures shrinks to a fiftieth, and what shrinks more was made
 * to harm.
 */
export const inflatedMost = 200;
/** Compressed bytes that may have come before they were counted, in bytes: the judgement allows for them. */
export const uncounted = 64 * 1024;

/** True where so many bytes are more than so many compressed ones can honestly be. */
export function isBomb(inflated: number, compressed: number): boolean {
  return inflated > inflatedFree && inflated > inflatedMost * (compressed + uncounted);
}
