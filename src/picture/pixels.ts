// Bounds the work on pixels, and loads the library for it.
import { availableParallelism } from "node:os";
import type { SharpOptions } from "sharp";
import { ProviderFailure } from "../errors.ts";
import { createTurns } from "./turns.ts";

/** Pixels of one picture that is converted: four times what the largest providers make; decoded, each takes four bytes. */
export const pixelLimit = 100_000_000;

/** Pictures that wait for pixel work: the next request is refused before anything is ordered for it. */
export const mostWaiting = 200;

/** Pixels of all pictures in pixel work or waiting for it: what waits is held in memory or in files. */
export const pixelsWaiting = 1_000_000_000;

/**
 * The process's one line for decoding and encoding. Of libuv's four threads one is left for files and names. Two pictures of the largest size
 * are worked on at once, at most: decoded and encoded they take some 600 MB each.
 */
export const pixelWork = createTurns({
  running: Math.min(availableParallelism(), 3),
  waiting: mostWaiting,
  pixels: pixelsWaiting,
  atOnce: 2 * pixelLimit,
});

/** Pixels up to which a picture may have as few bytes as it likes: so many do no harm. */
export const harmless = 4_000_000;

/** Pixels of a larger picture that one byte may stand for: deflate cannot make more. */
export const pixelsAByte = 10_000;

/** True for a picture that claims more pixels than so few bytes can honestly hold. */
export function isBomb(pixels: number, bytes: number): boolean {
  return pixels > harmless && pixels / bytes > pixelsAByte;
}

/** How untrusted bytes are decoded. */
export const untrusted = { failOn: "error", limitInputPixels: pixelLimit, sequentialRead: true } as const satisfies SharpOptions;

/** The library for pixels. It is loaded when first needed, which most processes never do. */
export async function loadSharp() {
  const { default: sharp } = await import("sharp");
  // Both hold for the whole process. Several pictures are worked on at once, so more threads within one would only take the cores from
  // the others and from the event loop; and no picture comes twice, so libvips' cache of operations is memory for nothing.
  sharp.concurrency(1);
  sharp.cache(false);
  return sharp;
}

/** The failure for bytes that turn out not to be a picture. */
export function notDecoded(cause?: unknown): ProviderFailure {
  return new ProviderFailure("bad_response", "the picture that came back is broken: it cannot be decoded", { cause });
}
