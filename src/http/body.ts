import type { IncomingMessage } from "node:http";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import { GatewayError } from "../errors.ts";
import { arrivedBody } from "../net/send.ts";
import { joined, keepTexts } from "../picture/arrive.ts";
import { liftJson, LongText, type Sink } from "../picture/lift.ts";
import { readHead, sniffBytes } from "../picture/sniff.ts";
import type { SpoolScope } from "../picture/spool.ts";
import { readForm, type FormLimits } from "./form.ts";
import { createMeter, TooLong } from "./meter.ts";

/** A JSON body deeper than this is nobody's request, and would only wear out what walks it. */
const deepest = 64;

const decoders = { gzip: createGunzip, deflate: createInflate, br: createBrotliDecompress };

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** What of a request may be how large, and how long it may keep silent. */
export interface BodyLimits extends FormLimits {
  /** Bytes of a JSON body beside its images. */
  text: number;
}

/** A client's body. Texts of a form say everything in words, also numbers and objects. */
export interface ClientBody {
  fields: Record<string, unknown>;
  form: boolean;
}

/**
 * Read a JSON object or a form. Images are held by the spool: a form's files are `FormFile`, and each long text in `image`, `images`
 * and `mask` of JSON is a `LongText`, one with neither picture nor text where it began as a picture and is none. Throws 400, 413 or 415.
 */
export async function readClientBody(
  request: IncomingMessage,
  limits: BodyLimits,
  spool: Pick<SpoolScope, "take">,
  signal: AbortSignal,
): Promise<ClientBody> {
  if (/^\s*multipart\/form-data\b/i.test(request.headers["content-type"] ?? ""))
    return { fields: Object.fromEntries(await readForm(request, limits, spool)), form: true };
  judgeType(request.headers["content-type"] ?? "");
  const fields = object(await readJson(request, limits, spool, signal));
  for (const [name, value] of Object.entries(fields)) if (!imageFields.has(name) && hasLong(value)) throw tooLong(limits.text);
  return { fields, form: false };
}

async function readJson(
  request: IncomingMessage,
  limits: BodyLimits,
  spool: Pick<SpoolScope, "take">,
  signal: AbortSignal,
): Promise<unknown> {
  // What the socket brought together with the head is parsed before this goes on.
  await Promise.resolve();
  const arrived = encodingOf(request) === "identity" && arrivedBody(request, Math.min(sniffBytes, limits.text, limits.body));
  if (arrived) return parse(arrived);
  const chunks = chunksOf(request, limits);
  const beginning = await readHead(chunks);
  return beginning.length < sniffBytes ? parse(beginning) : lifted(joined(beginning, chunks), limits, spool, signal);
}

function encodingOf({ headers }: IncomingMessage): string {
  return headers["content-encoding"]?.trim().toLowerCase() || "identity";
}

/** Where long texts are images; anywhere else they are only too long. */
const imageFields = new Set(["image", "images", "mask"]);

function hasLong(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return value instanceof LongText || Object.values(value).some(hasLong);
}

async function lifted(
  chunks: AsyncIterable<Buffer>,
  { body, text: limit }: BodyLimits,
  spool: Pick<SpoolScope, "take">,
  signal: AbortSignal,
): Promise<unknown> {
  const keep = keepTexts(spool, body, signal);
  let left = limit;
  const sink: Sink = async (text, soFar) => {
    const kept = (await keep(text, soFar)) as LongText;
    // What is no picture is a text like others, as long as there is room for all of them.
    if (kept.text?.kind !== "bytes" || kept.text.bytes.length > left) return kept;
    left -= kept.text.bytes.length;
    return decoded(kept.text.bytes);
  };
  try {
    return await liftJson(chunks, sink, decoded);
  } catch (error) {
    if (error instanceof RangeError) throw tooDeep();
    throw error instanceof SyntaxError ? new GatewayError("invalid_json", "the body is not valid JSON", { cause: error }) : error;
  }
}

function object(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof LongText)
    throw new GatewayError("invalid_json", "the body must be a JSON object");
  if (isDeep(value)) throw tooDeep();
  return value as Record<string, unknown>;
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

/** The body without compression, as it arrives. */
async function* chunksOf(request: IncomingMessage, limits: BodyLimits): AsyncGenerator<Buffer> {
  const encoding = encodingOf(request);
  const decoder = Object.hasOwn(decoders, encoding) ? decoders[encoding as keyof typeof decoders]() : undefined;
  if (!decoder && encoding !== "identity")
    throw new GatewayError("unsupported_media_type", "the body's content encoding must be gzip, deflate, br or none");
  const meter = createMeter(limits);
  // A pipe does not tell its end that its beginning is gone; and a stream that fails unheard would end the process.
  request.once("error", (error) => meter.destroy(error));
  decoder?.on("error", (error) => meter.destroy(error));
  (decoder ? request.pipe(decoder) : request).pipe(meter);
  let length = 0;
  try {
    for await (const chunk of meter as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > limits.body) throw tooLarge(limits.body);
      yield chunk;
    }
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    if (error instanceof TooLong) throw tooLong(limits.text, error);
    throw new GatewayError("invalid_json", `the body could not be read${decoder ? `; is it ${encoding}?` : ""}`, { cause: error });
  } finally {
    // The rest is read away: a client that is still sending would not get to see the answer.
    request.unpipe().resume();
    decoder?.destroy();
    meter.destroy();
  }
}

function tooLarge(limit: number, cause?: unknown): GatewayError {
  return new GatewayError("request_too_large", `the body is larger than the ${limit} bytes that are accepted`, { cause });
}

function tooLong(limit: number, cause?: unknown): GatewayError {
  return new GatewayError("request_too_large", `the body is larger than the ${limit} bytes that are accepted beside images`, { cause });
}

function tooDeep(): GatewayError {
  return new GatewayError("invalid_json", `the body is nested deeper than ${deepest} levels`);
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

function isDeep(value: object): boolean {
  let level: object[] = [value];
  for (let depth = 0; depth < deepest; depth += 1) {
    level = level.flatMap((item) => Object.values(item).filter(isNested));
    if (level.length === 0) return false;
  }
  return true;
}

function isNested(value: unknown): value is object {
  return typeof value === "object" && value !== null && !(value instanceof LongText);
}
