// Opens a client's image for decoding, after its header has been checked.
import type { Metadata, Sharp } from "sharp";
import { GatewayError } from "../errors.ts";
import { chunksOf, sizeOf } from "./convert.ts";
import type { InputImage } from "./input.ts";
import { isBomb, loadSharp, pixelLimit, untrusted } from "./pixels.ts";

/**
 * Reads an image's header; `open` starts decoding it. Throws a 400 for an image without a readable header, with more pixels than can be decoded, or
 * with more pixels than its bytes can hold.
 */
export async function headed(image: InputImage): Promise<{ open: () => Sharp; header: Metadata }> {
  const { data, field } = image;
  const sharp = await loadSharp();
  if (data.kind === "url") throw new Error(`${field} was not fetched`);
  const chunks: Buffer[] = [];
  if (data.kind !== "file") for await (const chunk of chunksOf(data)) chunks.push(chunk);
  const source = data.kind === "file" ? data.path : Buffer.concat(chunks);
  const header = await sharp(source, { ...untrusted, limitInputPixels: false })
    .metadata()
    .catch(damaged(image));
  const refuse = (message: string) => new GatewayError("invalid_image_file", `${field} ${message}`, { param: field });
  if (header.width * header.height > pixelLimit)
    throw refuse(`has ${header.width}x${header.height} pixels; at most ${pixelLimit} can be decoded`);
  if (isBomb(header.width * header.height, sizeOf(data))) throw refuse("says that it has more pixels than its bytes can hold");
  return { open: () => sharp(source, untrusted), header };
}

/** Handles an error of the decoder: throws a 400. For AVIF, HEIC and TIFF it adds that their variant may not be supported. */
export function damaged({ field, type }: InputImage): (cause: unknown) => never {
  const kind = /^image\/(avif|heic|tiff)$/.exec(type ?? "")?.[1]?.toUpperCase();
  const message = kind ? `is damaged, or a kind of ${kind} that is not understood; send it as PNG, JPEG or WebP` : "is damaged";
  return (cause) => {
    throw new GatewayError("invalid_image_file", `${field} ${message}`, { param: field, cause });
  };
}
