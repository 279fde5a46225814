// Turns masks into the polarity that a provider wants, and those of other APIs into the gateway's own.
import { GatewayError } from "../errors.ts";
import { damaged, headed } from "./decode.ts";
import type { InputImage } from "./input.ts";
import { loadSharp } from "./pixels.ts";

/** The mark of pixels that may change: transparency, as clients say it, or one of two colours. */
export const polarities = ["alpha", "white", "black"] as const;
export type Polarity = (typeof polarities)[number];

/**
 * A mask in another polarity, pixel for pixel: what is half transparent becomes the grey half way. The result is a grey PNG of the same
 * size. Throws a 400 for a mask that has no transparency, and so marks nothing.
 */
export async function convertMask(mask: InputImage, to: Polarity): Promise<InputImage> {
  if (to === "alpha") return mask;
  const { open, header } = await headed(mask);
  if (!header.hasAlpha)
    throw new GatewayError("invalid_image_file", "mask has no transparency; make transparent what may change", { param: "mask" });
  const alpha = await open().extractChannel("alpha").toColourspace("b-w").raw().toBuffer({ resolveWithObject: true }).catch(damaged(mask));
  // In one pass the library would turn the colours before it takes the channel.
  const sharp = await loadSharp();
  const { width, height } = alpha.info;
  const grey = sharp(alpha.data, { raw: { width, height, channels: 1 } });
  if (to === "white") grey.negate();
  const bytes = await grey.toColourspace("b-w").png({ palette: false }).toBuffer();
  return mask.with({ data: { kind: "bytes", bytes }, type: "image/png", name: mask.name.replace(/(\.\w+)?$/, ".png") });
}

/**
 * The same mask with transparency where `from` marks what may change, pixel for pixel: a grey becomes as transparent as it is near to that colour.
 * Of a mask that is transparent anywhere what is opaque counts as white, whatever its colour, as programs that paint white on nothing mean it.
 * Throws a 400 for what cannot be decoded.
 */
export async function unifyMask(mask: InputImage, from: Polarity): Promise<InputImage> {
  if (from === "alpha") return mask;
  const { open, header } = await headed(mask);
  const isOpaque = !header.hasAlpha || (await open().stats().catch(damaged(mask))).isOpaque;
  const marks = isOpaque ? open().removeAlpha() : open().extractChannel("alpha");
  const { data, info } = await marks.toColourspace("b-w").raw().toBuffer({ resolveWithObject: true }).catch(damaged(mask));
  const { width, height } = info;
  const raw = { width, height, channels: 1 } as const;
  const sharp = await loadSharp();
  const alpha = from === "black" ? data : await sharp(data, { raw }).negate().toColourspace("b-w").raw().toBuffer();
  const black = sharp({ create: { width, height, channels: 3, background: "black" } });
  const bytes = await black.joinChannel(alpha, { raw }).png({ palette: false }).toBuffer();
  return mask.with({ data: { kind: "bytes", bytes }, type: "image/png", name: mask.name.replace(/(\.\w+)?$/, ".png") });
}

/** Bounds of an image for `shrink`. */
export interface Bounds {
  /** The longer side, in pixels. */
  side: number;
  bytes: number;
}

/** The same picture within the bounds, in the same format, with its profile and EXIF. Throws a 400 for what cannot be decoded. */
export async function shrink(image: InputImage, { side, bytes: most }: Bounds): Promise<InputImage> {
  const { width = side, height = side } = image;
  const { open } = await headed(image);
  for (let wanted = Math.min(side, Math.max(width, height)); ; wanted = Math.floor(wanted * 0.8)) {
    const smaller = open().resize({ width: wanted, height: wanted, fit: "inside", withoutEnlargement: true });
    const { data, info } = await smaller.keepMetadata().toBuffer({ resolveWithObject: true }).catch(damaged(image));
    if (data.length <= most || wanted < 64)
      return image.with({ data: { kind: "bytes", bytes: data }, width: info.width, height: info.height });
  }
}
