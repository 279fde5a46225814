import { GatewayError } from "../errors.ts";
import { readBase64 } from "../picture/base64.ts";
import { chunksOf, sizeOf, type LocalData } from "../picture/convert.ts";
import { InputImage } from "../picture/input.ts";
import { judgeImage, judgeMask, tooLarge, type ImageLimits } from "../picture/judge.ts";
import { LongText } from "../picture/lift.ts";
import { TooLarge, type SpoolScope } from "../picture/spool.ts";
import { FormFile } from "./form.ts";

/** The images of a request, judged. */
export interface Inputs {
  images: InputImage[];
  mask?: InputImage;
}

interface Given {
  field: string;
  index: number;
  value: unknown;
}

/** What a body gives as images, under whichever name, in its order. */
function givenIn(body: Readonly<Record<string, unknown>>): Given[] {
  const listed = (name: string) => {
    const value = body[name];
    if (Array.isArray(value)) return value.map((one: unknown, index) => ({ field: `${name}[${index}]`, value: one }));
    return value === undefined || value === null ? [] : [{ field: name, value }];
  };
  return [...listed("image"), ...listed("images")].map((given, index) => ({ ...given, index }));
}

/** Whether a body asks for an edit. */
export function hasImages(body: Readonly<Record<string, unknown>>): boolean {
  return givenIn(body).length > 0 || (body.mask !== undefined && body.mask !== null);
}

/**
 * The images of a body: `image` and `images`, each a file, a URL, a data URI, base64, or an object that holds one of them. Their bytes
 * go into the spool. `most` is how many the model takes. Throws a 400 or 413 that names the image.
 */
export async function readImages(
  body: Readonly<Record<string, unknown>>,
  most: number,
  limits: ImageLimits,
  spool: Pick<SpoolScope, "take">,
): Promise<Inputs> {
  const given = givenIn(body);
  const [first] = given;
  if (!first) throw new GatewayError("missing_required_parameter", "image is missing: the picture to start from", { param: "image" });
  if (given.length > most) {
    const param = first.field.replace(/\[0\]$/, "");
    throw new GatewayError("invalid_value", `${param} has ${given.length} images; this model takes at most ${most}`, { param });
  }
  const images: InputImage[] = [];
  for (const one of given) images.push(await imageOf(one, limits, spool));
  if (body.mask === undefined || body.mask === null) return { images };
  const mask = await imageOf({ field: "mask", index: 0, value: body.mask }, limits, spool);
  judgeMask(mask, images[0] as InputImage);
  return { images, mask };
}

async function imageOf({ field, index, value }: Given, limits: ImageLimits, spool: Pick<SpoolScope, "take">): Promise<InputImage> {
  if (value instanceof FormFile) return judgeImage(value.data, { field, name: value.name, index }, limits);
  const text = textIn(value, field);
  if (typeof text === "string" && /^https?:\/\//i.test(text)) {
    if (!URL.canParse(text)) throw refused(field);
    return new InputImage({ data: { kind: "url", url: text }, field, name: field === "mask" ? "mask" : "image" });
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

/** The names under which clients put an image into an object. */
const members = ["image_url", "url", "b64_json"];

function textIn(value: unknown, field: string): string | LongText {
  if (typeof value === "string" || value instanceof LongText) return value;
  const object = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const name = members.find((member) => object[member] !== undefined && object[member] !== null);
  if (name !== undefined) return textIn(object[name], `${field}.${name}`);
  if (object.file_id !== undefined)
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
