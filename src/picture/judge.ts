// Checks input images and masks by their bytes.
import { GatewayError } from "../errors.ts";
import { chunksOf, headOf } from "./convert.ts";
import { InputImage, type InputData } from "./input.ts";
import { pixelWork } from "./pixels.ts";
import { pngProblem, pngWork } from "./png-lies.ts";
import { sniffInput } from "./sniff.ts";
import { TooLarge } from "./keep.ts";

/** Limits of an input image. */
export interface ImageLimits {
  bytes: number;
  pixels: number;
}

/** Pixels up to which an input PNG is checked without the queue for pixel work: so few take less time than waiting in it. */
export const smallWork = 4_000_000;

const extensions = {
  "image/png": "png",
  "image/jpeg": "jpg",
  "image/webp": "webp",
  "image/gif": "gif",
  "image/avif": "avif",
  "image/tiff": "tif",
  "image/heic": "heic",
};

/**
 * Checks an input image by its bytes, and returns it with its type and size; the type that the client declared is ignored. `field` is the client's
 * name for it, `name` its file name, `index` its place among the images. Throws a 400 that names the field.
 */
export async function judgeImage(
  data: Exclude<InputData, { kind: "url" }>,
  { field, name, index }: { field: string; name?: string; index: number },
  limits: ImageLimits,
): Promise<InputImage> {
  const refuse = (message: string) => new GatewayError("invalid_image_file", `${field} ${message}`, { param: field });
  const head = headOf(data);
  if (head.length === 0) throw refuse("is empty; send an image file");
  const seen = sniffInput(head);
  if (!seen) throw refuse("is of no type that is taken; send PNG, JPEG, WebP, GIF, AVIF or TIFF");
  const { mediaType: type, width, height } = seen;
  if (width !== undefined && height !== undefined && width * height > limits.pixels)
    throw refuse(`has ${width}x${height} pixels; at most ${limits.pixels} are taken`);
  if (type === "image/png") {
    if (width === undefined) throw refuse("is cut or damaged");
    const work = pngWork(head) ?? 0;
    const look = () => pngProblem(chunksOf(data));
    // Checking a small picture takes less time than waiting in the queue.
    const problem = work <= smallWork ? await look() : await pixelWork.take(work, new AbortController().signal, look);
    if (problem !== undefined) throw refuse(problem);
  }
  const kind = field === "mask" ? "mask" : "image";
  const own = `${kind}${index > 0 ? `-${index + 1}` : ""}.${extensions[type]}`;
  return new InputImage({ data, field, name: name || own, type, width, height });
}

/** Checks that a mask has the size of the first image, whose pixels it marks. Throws a 400. */
export function judgeMask(mask: InputImage, first: InputImage): void {
  const size = ({ width, height }: InputImage) => (width && height ? `${width}x${height}` : undefined);
  const [its, images] = [size(mask), size(first)];
  if (its !== undefined && images !== undefined && its !== images)
    throw new GatewayError("invalid_image_file", `mask has ${its} pixels and ${first.field} has ${images}; they must be the same`, {
      param: "mask",
    });
}

/** The client's error for an image that was too large; any other error is returned unchanged. */
export function tooLarge(error: unknown, field: string): unknown {
  return error instanceof TooLarge
    ? new GatewayError("request_too_large", `${field} is ${error.message}`, { param: field, cause: error })
    : error;
}
