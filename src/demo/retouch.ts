// Edits pictures for the demo.
import type { Readable } from "node:stream";
import { loadSharp } from "../picture/pixels.ts";
import { draw, encode, type Drawing } from "./draw.ts";

const sharp = await loadSharp();

/** Pixels of the longer side that the demo keeps of a picture: no more are ever shown. */
export const kept = 2048;

/** A picture as it arrives, made small enough to be kept. Rejects for what is none. */
export async function readPicture(stream: Readable): Promise<Buffer> {
  const small = sharp({ failOn: "error" }).resize({ width: kept, height: kept, fit: "inside", withoutEnlargement: true });
  // Its reader learns of the error from the form; nobody listening here must not end the process.
  small.on("error", () => undefined);
  stream.once("error", (error) => small.destroy(error));
  return stream.pipe(small).png({ compressionLevel: 1 }).toBuffer();
}

/**
 * Draw over the first picture, so that it still shows: where the mask is white, or else half through everywhere. The others hang in
 * a row at the top. Resolves to the encoded picture.
 */
export async function retouch(drawing: Drawing, [first, ...others]: readonly Buffer[], mask?: Buffer): Promise<Buffer> {
  const { width, height } = drawing;
  const drawn = await draw({ ...drawing, format: "png", transparent: false });
  const room = { width, height, fit: "cover" } as const;
  const opacity = mask
    ? await sharp(mask).removeAlpha().toColourspace("b-w").resize(room).raw().toBuffer()
    : Buffer.alloc(width * height, 140);
  const layer = await sharp(drawn)
    .joinChannel(opacity, { raw: { width, height, channels: 1 } })
    .png({ compressionLevel: 1 })
    .toBuffer();
  const side = Math.max(1, Math.floor(Math.min(width / Math.max(4, others.length), height / 4) * 0.8));
  const frames = others.map(async (picture, index) => ({
    input: await sharp(picture).resize({ width: side, height: side, fit: "cover" }).png().toBuffer(),
    left: Math.floor(index * (side / 0.8) + side * 0.1),
    top: Math.floor(side * 0.1),
  }));
  const canvas = await sharp(first).resize(room).removeAlpha().png({ compressionLevel: 1 }).toBuffer();
  return encode(sharp(canvas).composite([{ input: layer }, ...(await Promise.all(frames))]), drawing);
}
