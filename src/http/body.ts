import type { IncomingMessage } from "node:http";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import getRawBody from "raw-body";
import { GatewayError } from "../errors.ts";

/** A JSON body deeper than this is nobody's request, and would only wear out what walks it. */
const deepest = 64;

const decoders = { gzip: createGunzip, deflate: createInflate, br: createBrotliDecompress };

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Read a JSON object, at most `limit` bytes after decompression. Throws 400, 413 or 415. */
export async function readJson(request: IncomingMessage, limit: number): Promise<Record<string, unknown>> {
  judgeType(request.headers["content-type"] ?? "");
  const value = parse(await readBytes(request, limit));
  if (typeof value !== "object" || value === null || Array.isArray(value))
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

async function readBytes(request: IncomingMessage, limit: number): Promise<Buffer> {
  const encoding = request.headers["content-encoding"]?.trim().toLowerCase() || "identity";
  const decoder = Object.hasOwn(decoders, encoding) ? decoders[encoding as keyof typeof decoders]() : undefined;
  if (!decoder && encoding !== "identity")
    throw new GatewayError("unsupported_media_type", "the body's content encoding must be gzip, deflate, br or none");
  if (decoder) {
    // A pipe does not tell the decoder that the client is gone; and a decoder that fails unheard would end the process.
    request.once("error", (error) => decoder.destroy(error));
    decoder.on("error", () => undefined);
  }
  const length = decoder ? undefined : request.headers["content-length"];
  try {
    return await getRawBody(decoder ? request.pipe(decoder) : request, { limit, length });
  } catch (error) {
    // The rest is read away: a client that is still sending would not get to see the answer.
    request.unpipe().resume();
    decoder?.destroy();
    if ((error as { type?: string }).type === "entity.too.large")
      throw new GatewayError("request_too_large", `the body is larger than the ${limit} bytes that are accepted`, { cause: error });
    throw new GatewayError("invalid_json", `the body could not be read${decoder ? `; is it ${encoding}?` : ""}`, { cause: error });
  }
}

function parse(bytes: Buffer): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch (error) {
    throw new GatewayError("invalid_json", "the body is not valid UTF-8", { cause: error });
  }
  if (text.trim() === "") throw new GatewayError("invalid_json", "the body is empty; send a JSON object");
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new GatewayError("invalid_json", "the body is not valid JSON", { cause: error });
  }
}

function isDeep(value: object): boolean {
  let level: object[] = [value];
  for (let depth = 0; depth < deepest; depth += 1) {
    level = level.flatMap((item) => Object.values(item).filter((child): child is object => typeof child === "object" && child !== null));
    if (level.length === 0) return false;
  }
  return true;
}
