// Reads a client's form: texts by their names, and images into the spool.
import { GatewayError } from "../errors.ts";
import { BrokenForm, partsOf, type Part } from "../net/multipart.ts";
import { inCharset } from "../net/part-head.ts";
import { joined, keepTexts } from "../picture/arrive.ts";
import { tooLarge } from "../picture/judge.ts";
import { liftFrom, liftJson, LongText, type Sink } from "../picture/lift.ts";
import { readHead, sniffInput } from "../picture/sniff.ts";
import type { KeptData } from "../picture/keep.ts";
import type { SpoolScope } from "../picture/spool.ts";
import type { About } from "./bytes.ts";
import { readNames, shortName } from "./field-names.ts";
import { imagePlaceOf, type ImagePlace } from "./image-fields.ts";
import { beside, TooLong } from "./meter.ts";

/** A file of a form, taken whole. */
export class FormFile {
  readonly data: KeptData;
  readonly name: string;
  constructor(data: KeptData, name: string) {
    this.data = data;
    this.name = name;
  }
}

/** Bytes of all texts, and of one file. */
export interface FormLimits {
  text: number;
  file: number;
}

/** Parts of a client's form: no model takes nearly as many images. */
export const mostParts = 128;

interface Around {
  limits: FormLimits;
  spool: Pick<SpoolScope, "take">;
  signal: AbortSignal;
  /** Accepts parts that are called attachments. */
  attachments: boolean;
  /** Receives the name of the part that is being read. */
  about: About;
}

interface Found extends ImagePlace {
  value: unknown;
}

/**
 * Read a form while it arrives: texts by name, and images into the spool, in the order of their numbers (`image[1]`) or else as they
 * come. Those of `image` and `images` are in `image`: one, or a list. Throws a 400 or 413 that names the part, and what `chunks` throw.
 */
export async function readForm(chunks: AsyncIterable<Buffer>, boundary: string, around: Around): Promise<Record<string, unknown>> {
  const { limits, about } = around;
  const texts: [name: string, text: string][] = [];
  const images: Found[] = [];
  let left = limits.text;
  about.code = "invalid_image_file";
  about.part = "image";
  try {
    for await (const part of partsOf(chunks, boundary, around.attachments)) {
      if (part.number > mostParts) throw refused(about, `has more than ${mostParts} parts`);
      const place = imagePlaceOf(part.name);
      const before = images.filter(({ field }) => field === place?.field).length;
      about.part = place ? `${place.field}${before > 0 ? `[${before}]` : ""}` : shortName(part.name);
      if (place) images.push({ ...place, index: place.index ?? before, value: await readImage(part, about.part, around) });
      else {
        const { text, length } = await readText(part, left, limits.text);
        left -= length;
        texts.push([part.name, text]);
      }
    }
  } catch (error) {
    throw error instanceof BrokenForm ? refused(about, `is broken: ${error.message}`, error) : error;
  }
  const given = imagesOf(images);
  for (const [name] of texts)
    for (const field of given.keys())
      if (name.startsWith(`${field}[`))
        throw new GatewayError("invalid_value", `${shortName(name)} says nothing of the image in ${field}; leave it out`, {
          param: shortName(name),
        });
  return Object.fromEntries([...readNames(texts), ...given]);
}

function refused({ code, part }: About, message: string, cause?: unknown): GatewayError {
  return new GatewayError(code, `the form ${message}`, { param: part, cause });
}

/** Fields that are words with every model: the base64 of a picture there would be drawn. */
const words = new Set(["model", "prompt", "negative_prompt", "user"]);

/** The text of a part, with the bytes that it took. A picture in another field than those of images is its base64, as it is in JSON. */
async function readText(part: Part, left: number, limit: number): Promise<{ text: string; length: number }> {
  const name = shortName(part.name);
  const beginning = isFile(part) ? await readHead(part.content, enough) : undefined;
  if (beginning && (words.has(name) || !sniffInput(beginning)))
    throw new GatewayError(
      "invalid_type",
      words.has(name) ? `${name} is a file; send a text` : `${name} is a file and no picture; send a text`,
      { param: name },
    );
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of beginning ? joined(beginning, part.content) : part.content) {
    length += piece.length;
    if (length > left)
      throw new GatewayError("request_too_large", `the form's texts are longer than the ${limit} bytes that are accepted`, { param: name });
    pieces.push(piece);
  }
  if (beginning) return { text: Buffer.concat(pieces).toString("base64"), length };
  try {
    return { text: inCharset(Buffer.concat(pieces), part.charset), length };
  } catch (error) {
    throw new GatewayError("invalid_value", `${name} is not in the charset ${shortName(part.charset ?? "utf-8")}; send utf-8`, {
      param: name,
      cause: error,
    });
  }
}

/** An image without a file name is one all the same. */
function isFile({ fileName, type }: Part): boolean {
  return fileName !== undefined || /^(?:image\/|(?:application|binary)\/octet-stream)/.test(type ?? "");
}

/** Beginning of a form's image part by which a picture is distinguished from a text, in bytes: base64 and URLs may stand there too. */
export const enough = 1024;

/** Texts that say where an image is, or hold it. */
const textual = /^\s*(?:https?:\/\/|data:|[[{"])/i;

/** The image of a part: a file, judged by its bytes, or a text as in JSON. Nothing for an empty part. */
async function readImage(part: Part, field: string, { limits, spool, signal }: Around): Promise<unknown> {
  const beginning = await readHead(part.content, enough);
  // A browser sends a file that nobody chose.
  if (beginning.length === 0 && !part.fileName) return undefined;
  const whole = joined(beginning, part.content);
  const start = beginning.toString("latin1", 0, 64);
  try {
    if (sniffInput(beginning) || (isFile(part) && !textual.test(start)))
      return new FormFile(await spool.take(whole, limits.file), part.fileName ?? "");
    const keep = keepTexts(spool, signal, { limit: limits.file });
    let lifted = 0;
    const sink: Sink = async (text, soFar) => {
      if ((lifted += 1) > mostParts)
        throw new GatewayError("invalid_value", `${field} has more than ${mostParts} images`, { param: field });
      return plainText(await keep(text, soFar));
    };
    return /^\s*[[{"]/.test(start) ? await liftJson(beside(whole, limits.text), sink) : await sink(whole, (value) => value);
  } catch (error) {
    if (error instanceof TooLong)
      throw new GatewayError("request_too_large", `${field} is larger than the ${limits.text} bytes that are accepted beside images`, {
        param: field,
        cause: error,
      });
    if (error instanceof SyntaxError || error instanceof RangeError)
      throw new GatewayError("invalid_image_file", `${field} is neither an image file nor valid JSON`, { param: field, cause: error });
    throw tooLarge(error, field);
  }
}

/** A short text that is no picture's base64 may still be one's address, or say that there is none. */
function plainText(kept: unknown): unknown {
  if (!(kept instanceof LongText) || kept.text?.kind !== "bytes" || kept.text.bytes.length > liftFrom) return kept;
  const text = kept.text.bytes.toString("utf8").trim();
  return text === "null" ? undefined : text;
}

/** The images by their fields. Throws a 400 for two masks. */
function imagesOf(found: readonly Found[]): Map<string, unknown> {
  const fields = new Map<string, unknown[]>();
  const given = found.filter(({ value }) => value !== undefined);
  for (const { field, member, value } of given.sort((one, other) => (one.index ?? 0) - (other.index ?? 0))) {
    const values = (fields.get(field) ?? []).concat(member === undefined ? value : { [member]: value });
    fields.set(field, values);
    if (field.startsWith("mask") && values.length > 1)
      throw new GatewayError("invalid_value", `${field} is there twice; send one`, { param: field });
  }
  return new Map([...fields].map(([field, values]) => [field, values.length === 1 ? values[0] : values]));
}
