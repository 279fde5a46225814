// Bounds the work on pixels (decoding and encoding), and loads the library for it.
import { availableParallelism } from "node:os";
import type { SharpOptions } from "sharp";
import { ProviderFailure } from "../errors.ts";
import { createTurns } from "./turns.ts";

/** Most pixels of a picture that is converted: four times the largest that providers make; decoded, each pixel takes four bytes. */
export const pixelLimit = 100_000_000;

/** Most pictures that wait for pixel work: with more, a request is refused before anything is ordered for it. */
export const mostWaiting = 200;

/** Most pixels of all pictures in pixel work or waiting for it: waiting pictures take memory or disk. */
export const pixelsWaiting = 1_000_000_000;

/**
 * The process's only queue for decoding and encoding. One of libuv's four threads stays free for files and name lookups. At most two pictures of the
 * largest size are worked on at once: decoding and encoding one takes some 600 MB.
 */
export const pixelWork = createTurns({
  running: Math.min(availableParallelism(), 3),
  waiting: mostWaiting,
  pixels: pixelsWaiting,
  atOnce: 2 * pixelLimit,
});

/** Pixels up to which a picture may have any number of bytes: decoding so few does no harm. */
export const harmless = 4_000_000;

/** Pixels of a larger picture that one byte may stand for: deflate cannot make more. */
export const pixelsAByte = 10_000;

/** True for a picture whose header claims more pixels than its bytes can hold. */
export function isBomb(pixels: number, bytes: number): boolean {
  return pixels > harmless && pixels / bytes > pixelsAByte;
}

/** Options for decoding untrusted bytes. */
export const untrusted = { failOn: "error", limitInputPixels: pixelLimit, sequentialRead: true } as const satisfies SharpOptions;

/** The library for pixels. It is loaded on first use, since most processes never need it. */
export async function loadSharp() {
  const { default: sharp } = await import("sharp");
  // Both settings hold for the whole process. Several pictures are worked on at once, so several threads for one picture would only take cores from
  // the others and from the event loop. No picture comes twice, so libvips' cache of operations would only waste memory.
  sharp.concurrency(1);
  sharp.cache(false);
  return sharp;
}

/** The failure for a provider's picture that cannot be decoded. */
export function notDecoded(cause?: unknown): ProviderFailure {
  return new ProviderFailure("bad_response", "the picture that came back is broken: it cannot be decoded", { cause });
}
