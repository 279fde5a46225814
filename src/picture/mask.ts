// Converts masks between polarities: into the one that a provider wants, and from another API's into the gateway's own.
import { GatewayError } from "../errors.ts";
import { damaged, headed } from "./decode.ts";
import type { InputImage } from "./input.ts";
import { loadSharp } from "./pixels.ts";

/** The mark of the pixels that may change: transparency, as in OpenAI's API, or a colour. */
export const polarities = ["alpha", "white", "black"] as const;
export type Polarity = (typeof polarities)[number];

/**
 * Converts a mask from transparency to another polarity. The result is a greyscale PNG of the same size; a half transparent pixel becomes a medium
 * grey. Throws a 400 for a mask without transparency, since it marks nothing.
 */
export async function convertMask(mask: InputImage, to: Polarity): Promise<InputImage> {
  if (to === "alpha") return mask;
  const { open, header } = await headed(mask);
  if (!header.hasAlpha)
    throw new GatewayError("invalid_image_file", "mask has no transparency; make transparent what may change", { param: "mask" });
  const alpha = await open().extractChannel("alpha").toColourspace("b-w").raw().toBuffer({ resolveWithObject: true }).catch(damaged(mask));
  // A second pass, since within one the library would invert the colours before it extracts the channel.
  const sharp = await loadSharp();
  const { width, height } = alpha.info;
  const grey = sharp(alpha.data, { raw: { width, height, channels: 1 } });
  if (to === "white") grey.negate();
  const bytes = await grey.toColourspace("b-w").png({ palette: false }).toBuffer();
  return mask.with({ data: { kind: "bytes", bytes }, type: "image/png", name: mask.name.replace(/(\.\w+)?$/, ".png") });
}

/**
 * Converts a mask from another polarity to transparency: the nearer a grey is to the colour `from`, the more transparent it becomes.
 * In a mask that has transparent pixels, every opaque pixel counts as white whatever its colour, since some programs paint white on a transparent
 * ground. Throws a 400 for a mask that cannot be decoded.
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

/** Scales an image down into the bounds, and keeps its format, profile and EXIF. Throws a 400 for an image that cannot be decoded. */
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
