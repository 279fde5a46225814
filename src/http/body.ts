// Reads a client's body: a JSON object, or a form.
import { buffer } from "node:stream/consumers";
import { GatewayError } from "../errors.ts";
import { readParameters } from "../net/part-head.ts";
import { arrivedBody } from "../net/send.ts";
import { joined, keepTexts } from "../picture/arrive.ts";
import { base64Length, base64Of } from "../picture/convert.ts";
import { tooLarge } from "../picture/judge.ts";
import { TooMuchJson } from "../picture/json-gauge.ts";
import { liftJson, LongText, type Sink } from "../picture/lift.ts";
import { readHead, sniffBytes } from "../picture/sniff.ts";
import type { SpoolScope } from "../picture/spool.ts";
import { bytesOf, encodingOf, type About, type ClientMessage } from "./bytes.ts";
import { mostParts, readForm, type FormLimits } from "./form.ts";
import { imageFields } from "./image-fields.ts";
import { beside, TooLong } from "./meter.ts";
import { deepest, mostValues, shapeProblem } from "./shape.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Limits of a request in size and silence. */
export interface BodyLimits extends FormLimits {
  /** Bytes of the whole body. */
  body: number;
  /** Milliseconds that nothing may come. */
  idle: number;
  /** True where a picture may stand in any field, and nothing is judged by its name. */
  anywhere?: boolean;
}

/** A client's body. Texts of a form say everything in words, also numbers and objects. */
export interface ClientBody {
  fields: Record<string, unknown>;
  form: boolean;
}

/**
 * Read a JSON object or a form; a body that begins as a form is one, whatever its content type says. Images are held by the spool: a form's
 * files are `FormFile`, and each long text in a field for images is a `LongText`, one with neither picture nor text where it began as a
 * picture and is none. Throws 400, 413 or 415.
 */
export async function readClientBody(
  request: ClientMessage,
  limits: BodyLimits,
  spool: Pick<SpoolScope, "take">,
  signal: AbortSignal,
): Promise<ClientBody> {
  const type = request.headers["content-type"] ?? "";
  const about: About = { code: "invalid_json" };
  const isForm = /^\s*multipart\/form-data\b/i.test(type);
  const formWith = async (boundary: string, chunks: AsyncIterable<Buffer>): Promise<ClientBody> => {
    // So curl writes a form whose content type was set to something else.
    const fields = await readForm(chunks, boundary, { limits, spool, signal, about, attachments: !isForm });
    judgeShape(fields);
    return { fields, form: true };
  };
  if (isForm) [about.code, about.part] = ["invalid_image_file", "image"];
  const told = isForm ? readParameters(type)?.parameters.get("boundary") : undefined;
  if (told) return formWith(told, bytesOf(request, limits, about));

  // Data that arrived together with the head is parsed before this continues.
  await Promise.resolve();
  const arrived = encodingOf(request) === "identity" && arrivedBody(request, Math.min(sniffBytes, limits.text, limits.body));
  const chunks = arrived ? nothingMore() : bytesOf(request, limits, about);
  const beginning = arrived || (await readHead(chunks));
  try {
    const whole = joined(beginning, chunks);
    const boundary = firstBoundary(beginning);
    if (boundary !== undefined) return await formWith(boundary, whole);
    if (isForm) throw new GatewayError(about.code, "the form has no boundary in its content type", { param: about.part });
    judgeType(type);
    const isShort = beginning.length < sniffBytes;
    const fields = object(isShort ? parse(beginning) : await lifted(beside(whole, limits.text), limits, spool, signal));
    if (!limits.anywhere) judgeTexts(fields, limits);
    return { fields, form: false };
  } finally {
    await chunks.return(undefined);
  }
}

/** The boundary of a body that begins as a form does: it is the first line, and a header follows. */
function firstBoundary(beginning: Buffer): string | undefined {
  return /^(?:\r\n)?--([^\r\n]{1,200}?)[\t ]*\r\n[\w-]+[\t ]*:/.exec(beginning.toString("latin1", 0, 1024))?.[1];
}

async function* nothingMore(): AsyncGenerator<Buffer> {
  // All of the body is in its beginning.
}

/** Throws a 413 for a long text in a field that is not for images. */
export function judgeTexts(fields: Readonly<Record<string, unknown>>, { text }: Pick<BodyLimits, "text">): void {
  for (const [name, value] of Object.entries(fields)) if (!imageFields.has(name) && hasLong(value)) throw tooLong(text);
}

function hasLong(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return value instanceof LongText || Object.values(value).some(hasLong);
}

async function lifted(
  chunks: AsyncIterable<Buffer>,
  { file, text: limit, anywhere = false }: BodyLimits,
  spool: Pick<SpoolScope, "take">,
  signal: AbortSignal,
): Promise<unknown> {
  const keep = keepTexts(spool, signal, { limit: file, words: limit });
  let left = limit;
  let images = 0;
  const sink: Sink = async (text, soFar) => {
    // Each is decoded and kept before anybody can know which model is asked, and how many it takes.
    if ((images += 1) > mostParts)
      throw new GatewayError("invalid_value", `the body has more than ${mostParts} images`, { param: "images" });
    const kept = (await keep(text, soFar).catch((error: unknown) => {
      throw tooLarge(error, placeOf(soFar));
    })) as LongText;
    if (kept.picture && !anywhere && !imageFields.has(fieldOf(soFar))) {
      left -= base64Length(kept.picture) ?? Infinity;
      return left < 0 ? kept : `${kept.prefix}${(await buffer(base64Of(kept.picture))).toString("latin1")}`;
    }
    // A long text that is no picture is an ordinary text, as long as there is room.
    if (kept.text?.kind !== "bytes" || kept.text.bytes.length > left) return kept;
    left -= kept.text.bytes.length;
    return decoded(kept.text.bytes);
  };
  try {
    // Counted while it arrives, by its signs: a list of millions takes long to parse only to be refused.
    return await liftJson(chunks, sink, { decode: decoded, bounds: { text: Infinity, values: 2 * mostValues, depth: 2 * deepest } });
  } catch (error) {
    if (error instanceof TooMuchJson) throw new GatewayError("invalid_json", `the body ${error.message}`, { cause: error });
    if (error instanceof RangeError) throw new GatewayError("invalid_json", "the body is nested too deep", { cause: error });
    if (error instanceof TooLong) throw tooLong(limit, error);
    throw error instanceof SyntaxError ? new GatewayError("invalid_json", "the body is not valid JSON", { cause: error }) : error;
  }
}

/** The field of the body that the text being read belongs to. */
function fieldOf(soFar: (value: unknown) => unknown): string {
  return /^[^.]*?(?=\[\d|\.|$)/.exec(placeOf(soFar))?.[0] ?? "";
}

/** The path of the text that is being read, as `images[0].image_url`; `soFar` gives the document with some value in its place. */
function placeOf(soFar: (value: unknown) => unknown): string {
  const here = {};
  const find = (value: unknown, path: string): string | undefined => {
    if (value === here) return path;
    if (typeof value !== "object" || value === null || value instanceof LongText) return undefined;
    for (const [name, part] of Object.entries(value)) {
      const found = find(part, Array.isArray(value) ? `${path}[${name}]` : path === "" ? name : `${path}.${name}`);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return find(soFar(here), "") ?? "image";
}

function object(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof LongText)
    throw new GatewayError("invalid_json", "the body must be a JSON object");
  judgeShape(value);
  return value as Record<string, unknown>;
}

/** Fields of one request: no model has nearly as many. */
export const mostFields = 200;

function judgeShape(fields: object): void {
  const problem = Object.keys(fields).length > mostFields ? `has more than ${mostFields} fields` : shapeProblem(fields);
  if (problem !== undefined) throw new GatewayError("invalid_json", `the body ${problem}`);
}

/** No type at all is taken for JSON. */
function judgeType(header: string): void {
  const [type = ""] = header.toLowerCase().split(";", 1);
  const charset = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(header)?.[1]?.toLowerCase() ?? "utf-8";
  if (!/^\s*(application\/([\w.-]+\+)?json\s*)?$/.test(type))
    throw new GatewayError("unsupported_media_type", `the body's content type is ${type.slice(0, 60)}; send application/json`);
  if (!["utf-8", "utf8", "us-ascii"].includes(charset))
    throw new GatewayError("unsupported_media_type", `the body's charset is ${charset.slice(0, 60)}; send utf-8`);
}

function tooLong(limit: number, cause?: unknown): GatewayError {
  return new GatewayError("request_too_large", `the body is larger than the ${limit} bytes that are accepted beside images`, { cause });
}

function parse(bytes: Buffer): unknown {
  const text = decoded(bytes);
  if (text.trim() === "") throw new GatewayError("invalid_json", "the body is empty; send a JSON object");
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new GatewayError("invalid_json", "the body is not valid JSON", { cause: error });
  }
}

function decoded(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    throw new GatewayError("invalid_json", "the body is not valid UTF-8", { cause: error });
  }
}
