// Bounds the work on pixels, and loads the library for it.
import { availableParallelism } from "node:os";
import type { SharpOptions } from "sharp";
import { ProviderFailure } from "../errors.ts";
import { createTurns } from "./turns.ts";

/** Pixels of one picture, at most; four times what the largest providers make. Decoded, each takes four bytes. */
export const pixelLimit = 100_000_000;

/**
 * The process's one line for decoding and encoding. Of libuv's four threads one is left for files and names. Two pictures of the largest size
 * are worked on at once, at most: decoded and encoded they take some 600 MB each.
 */
export const pixelWork = createTurns({
  running: Math.min(availableParallelism(), 3),
  waiting: 200,
  pixels: 1_000_000_000,
  atOnce: 2 * pixelLimit,
});

/** Pixels from which a picture of few bytes is taken for a bomb, and how many of them a byte may stand for: deflate cannot make more. */
const bomb = { pixels: 4_000_000, each: 10_000 };

/** True for a picture that claims more pixels than so few bytes can honestly hold. */
export function isBomb(pixels: number, bytes: number): boolean {
  return pixels > bomb.pixels && pixels / bytes > bomb.each;
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
