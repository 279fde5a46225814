// Reads and judges the images of a request.
import { GatewayError } from "../errors.ts";
import { readBase64 } from "../picture/base64.ts";
import { chunksOf, sizeOf, type LocalData } from "../picture/convert.ts";
import { InputImage } from "../picture/input.ts";
import { judgeImage, judgeMask, tooLarge, type ImageLimits } from "../picture/judge.ts";
import { LongText } from "../picture/lift.ts";
import { TooLarge } from "../picture/keep.ts";
import { unifyMask, type Polarity } from "../picture/mask.ts";
import { pixelWork } from "../picture/pixels.ts";
import type { SpoolScope } from "../picture/spool.ts";
import { shortName } from "./field-names.ts";
import type { OwnPictures } from "./own-pictures.ts";
import { FormFile } from "./form.ts";
import { imageMembers, isNothing, type ImageFields } from "./image-fields.ts";

/** The images of a request, judged. */
export interface Inputs {
  images: InputImage[];
  mask?: InputImage;
}

/** Everything that reading images needs. */
export interface ReadingImages {
  limits: ImageLimits;
  spool: Pick<SpoolScope, "take">;
  signal: AbortSignal;
  /** Reads pictures of this gateway, which are not fetched; there are none when absent. */
  own?: OwnPictures;
}

interface Given {
  field: string;
  index: number;
  value: unknown;
}

/**
 * The images of a body: each a file, a URL, a data URI, base64, or an object that holds one of them. Their bytes go into the spool. `most` is
 * how many the model takes, and `marks` the mark of what may change in the mask. Throws a 400 or 413 that names the image.
 */
export async function readImages(fields: ImageFields & { marks?: Polarity }, most: number, reading: ReadingImages): Promise<Inputs> {
  const [first] = fields.images;
  if (!first) throw missing(fields);
  // Before anything is made of them: a list may have as many as fit into a body.
  const count = fields.images.reduce((sum, [, value]) => sum + (Array.isArray(value) ? value.length : 1), 0);
  if (count > most)
    throw new GatewayError("invalid_value", `${first[0]} has ${count} images; this model takes at most ${most}`, { param: first[0] });
  const images: InputImage[] = [];
  for (const one of fields.images.flatMap(listed).map((given, index) => ({ ...given, index }))) images.push(await imageOf(one, reading));
  if (fields.mask === undefined) return { images };
  const { mask: value, marks = "alpha" } = fields;
  const mask = await imageOf({ field: "mask", index: 0, value }, reading);
  judgeMask(mask, images[0] as InputImage);
  return { images, mask: marks === "alpha" ? mask : await unified(mask, marks, reading) };
}

/** The mask with transparency for its mark. It is converted in the queue for pixel work, and the spool has the result. */
async function unified(mask: InputImage, marks: Polarity, { spool, signal }: ReadingImages): Promise<InputImage> {
  if (mask.data.kind === "url") throw new GatewayError("invalid_image_file", "mask is a URL; send the picture itself", { param: "mask" });
  const { width = 0, height = 0 } = mask;
  const made = await pixelWork.take(width * height, signal, () => unifyMask(mask, marks));
  return made.with({ data: await spool.take(chunksOf(made.data as LocalData), Infinity) });
}

function listed([name, value]: ImageFields["images"][number]): Omit<Given, "index">[] {
  if (!Array.isArray(value)) return [{ field: name, value }];
  return value.map((one: unknown, index) => ({ field: `${name}[${index}]`, value: one }));
}

function missing({ unknown }: ImageFields): GatewayError {
  const others = unknown.slice(0, 5).map(shortName).join(", ");
  const hint = others === "" ? "" : `; ${others} ${unknown.length === 1 ? "is" : "are"} not read as one, send it as image`;
  return new GatewayError("missing_required_parameter", `image is missing: the picture to start from${hint}`, { param: "image" });
}

async function imageOf({ field, index, value }: Given, { limits, spool, own }: ReadingImages): Promise<InputImage> {
  if (isNothing(value)) throw new GatewayError("invalid_image_file", `${field} is empty; send an image, or leave it out`, { param: field });
  const source = sourceIn(value, field);
  if (source instanceof FormFile) return judgeImage(source.data, { field, name: source.name, index }, limits);
  const text = typeof source === "string" ? source.trim() : source;
  if (typeof text === "string" && /^https?:\/\//i.test(text)) {
    if (!URL.canParse(text)) throw refused(field);
    const stored = await own?.(text, field);
    if (!stored) return new InputImage({ data: { kind: "url", url: text }, field, name: field === "mask" ? "mask" : "image" });
    const kept = await spool.take(stored as AsyncIterable<Buffer>, limits.bytes).catch((error: unknown) => {
      throw tooLarge(error, field);
    });
    return (await judgeImage(kept, { field, index }, limits)).with({ source: text });
  }
  const data = text instanceof LongText ? text.picture : await decodedIn(text, field, limits, spool);
  if (!data || data.kind === "stream") throw refused(field);
  if (sizeOf(data) > limits.bytes) throw tooLarge(new TooLarge(limits.bytes), field);
  return judgeImage(data, { field, index }, limits);
}

async function decodedIn(text: string, field: string, limits: ImageLimits, spool: Pick<SpoolScope, "take">): Promise<LocalData> {
  const found = readBase64(Buffer.from(text));
  if (!found) throw refused(field);
  return spool.take(chunksOf({ kind: "base64", ascii: found.ascii }), limits.bytes);
}

function sourceIn(value: unknown, field: string): string | LongText | FormFile {
  if (typeof value === "string" || value instanceof LongText || value instanceof FormFile) return value;
  const object = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const name = imageMembers.find((member) => !isNothing(object[member]));
  if (name !== undefined) return sourceIn(object[name], `${field}.${name}`);
  if (!isNothing(object.file_id))
    throw new GatewayError("invalid_value", `${field} names a file that was uploaded elsewhere; send the image itself as image_url`, {
      param: `${field}.file_id`,
    });
  throw new GatewayError("invalid_type", `${field} must be a URL, a data URI, base64, or an object with one of them as image_url`, {
    param: field,
  });
}

function refused(field: string): GatewayError {
  return new GatewayError("invalid_image_file", `${field} is neither an image file, a URL, a data URI nor base64`, { param: field });
}
