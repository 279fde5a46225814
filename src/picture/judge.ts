// Judges input images and masks by their bytes.
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

/** Pixels of an input image that are unpacked without a place in the queue for pixel work: so few take no time worth waiting for. */
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
 * Judge an input image by its bytes and return its type and size; what it was said to be does not count. `field` is what the client called it,
 * `name` its file's name, `index` its place. Throws a 400 that names the field.
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
    // A small picture costs less than waiting in the queue.
    const problem = work <= smallWork ? await look() : await pixelWork.take(work, new AbortController().signal, look);
    if (problem !== undefined) throw refuse(problem);
  }
  const kind = field === "mask" ? "mask" : "image";
  const own = `${kind}${index > 0 ? `-${index + 1}` : ""}.${extensions[type]}`;
  return new InputImage({ data, field, name: name || own, type, width, height });
}

/** A mask says which pixels of the first image may change, so both have the same ones. Throws a 400. */
export function judgeMask(mask: InputImage, first: InputImage): void {
  const size = ({ width, height }: InputImage) => (width && height ? `${width}x${height}` : undefined);
  const [its, images] = [size(mask), size(first)];
  if (its !== undefined && images !== undefined && its !== images)
    throw new GatewayError("invalid_image_file", `mask has ${its} pixels and ${first.field} has ${images}; they must be the same`, {
      param: "mask",
    });
}

/** The client's error for an image that was too large; any other error as it is. */
export function tooLarge(error: unknown, field: string): unknown {
  return error instanceof TooLarge
    ? new GatewayError("request_too_large", `${field} is ${error.message}`, { param: field, cause: error })
    : error;
}
