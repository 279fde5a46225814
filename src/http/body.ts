import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import getRawBody from "raw-body";
import { GatewayError } from "../errors.ts";
import { joined, keepTexts } from "../picture/arrive.ts";
import { liftJson, LongText, type Sink } from "../picture/lift.ts";
import { readHead, sniffBytes } from "../picture/sniff.ts";
import type { SpoolScope } from "../picture/spool.ts";

/** A JSON body deeper than this is nobody's request, and would only wear out what walks it. */
const deepest = 64;

const decoders = { gzip: createGunzip, deflate: createInflate, br: createBrotliDecompress };

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Read a JSON object, at most `limit` bytes after decompression. Throws 400, 413 or 415. */
export async function readJson(request: IncomingMessage, limit: number): Promise<Record<string, unknown>> {
  judgeType(request.headers["content-type"] ?? "");
  return object(parse(await readBytes(request, limit)));
}

/** A long text of a client's JSON that is no picture stays a text up to this many bytes; what is longer is no field's. */
const longestText = 1024 * 1024;

/**
 * The same for a body that may hold pictures in base64: each becomes a `LongText` with its bytes, held by the spool and never a string.
 * So does what is too long for any text; one with neither picture nor text began as a picture and is none.
 */
export async function readLifted(
  request: IncomingMessage,
  limit: number,
  spool: Pick<SpoolScope, "take">,
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  judgeType(request.headers["content-type"] ?? "");
  const chunks = chunksOf(request, limit);
  const beginning = await readHead(chunks);
  if (beginning.length < sniffBytes) return object(parse(beginning));
  const keep = keepTexts(spool, limit, signal);
  const sink: Sink = async (text, soFar) => {
    const kept = (await keep(text, soFar)) as LongText;
    const isText = kept.text?.kind === "bytes" && kept.text.bytes.length <= longestText;
    return isText ? decoded((kept.text as { bytes: Buffer }).bytes) : kept;
  };
  try {
    return object(await liftJson(joined(beginning, chunks), sink));
  } catch (error) {
    throw error instanceof SyntaxError ? new GatewayError("invalid_json", "the body is not valid JSON", { cause: error }) : error;
  }
}

function object(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof LongText)
    throw new GatewayError("invalid_json", "the body must be a JSON object");
  if (isDeep(value)) throw new GatewayError("invalid_json", `the body is nested deeper than ${deepest} levels`);
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

/** The body's bytes without compression, from a stream that must be read or let go; and what lets it go. */
function open(request: IncomingMessage): { body: Readable; isPlain: boolean; failure: (error: unknown, limit: number) => GatewayError } {
  const encoding = request.headers["content-encoding"]?.trim().toLowerCase() || "identity";
  const decoder = Object.hasOwn(decoders, encoding) ? decoders[encoding as keyof typeof decoders]() : undefined;
  if (!decoder && encoding !== "identity")
    throw new GatewayError("unsupported_media_type", "the body's content encoding must be gzip, deflate, br or none");
  if (decoder) {
    // A pipe does not tell the decoder that the client is gone; and a decoder that fails unheard would end the process.
    request.once("error", (error) => decoder.destroy(error));
    decoder.on("error", () => undefined);
  }
  return {
    body: decoder ? request.pipe(decoder) : request,
    isPlain: !decoder,
    failure: (error, limit) => {
      // The rest is read away: a client that is still sending would not get to see the answer.
      request.unpipe().resume();
      decoder?.destroy();
      if (error instanceof GatewayError) return error;
      if ((error as { type?: string }).type === "entity.too.large") return tooLarge(limit, error);
      return new GatewayError("invalid_json", `the body could not be read${decoder ? `; is it ${encoding}?` : ""}`, { cause: error });
    },
  };
}

async function readBytes(request: IncomingMessage, limit: number): Promise<Buffer> {
  const { body, isPlain, failure } = open(request);
  try {
    return await getRawBody(body, { limit, length: isPlain ? request.headers["content-length"] : undefined });
  } catch (error) {
    throw failure(error, limit);
  }
}

async function* chunksOf(request: IncomingMessage, limit: number): AsyncGenerator<Buffer> {
  const { body, failure } = open(request);
  let length = 0;
  try {
    for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > limit) throw tooLarge(limit);
      yield chunk;
    }
  } catch (error) {
    throw failure(error, limit);
  }
}

function tooLarge(limit: number, cause?: unknown): GatewayError {
  return new GatewayError("request_too_large", `the body is larger than the ${limit} bytes that are accepted`, { cause });
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
