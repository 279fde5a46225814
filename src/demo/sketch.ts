// Makes the unfinished pictures that the demo shows in a stream.
import sharp from "sharp";

/** A finished picture as it looked on the way: in coarse squares, finer with each step. Keeps size and format. */
export async function sketch(picture: Buffer, step: number): Promise<Buffer> {
  const { width, height, format } = await sharp(picture).metadata();
  const coarse = await sharp(picture)
    .resize({ width: Math.min(width, 8 * 3 ** step) })
    .png()
    .toBuffer();
  return sharp(coarse).resize({ width, height, fit: "fill", kernel: "nearest" }).toFormat(format).toBuffer();
}
