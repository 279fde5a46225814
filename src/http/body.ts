import type { IncomingMessage } from "node:http";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import getRawBody from "raw-body";
import { GatewayError } from "../errors.ts";

/** A JSON body deeper than this is nobody's request, and would only wear out what walks it. */
const deepest = 64;

const decoders = { gzip: createGunzip, deflate: createInflate, br: createBrotliDecompress };

/** Read a JSON object, at most `limit` bytes after decompression. Throws 400, 413 or 415. */
export async function readJson(request: IncomingMessage, limit: number): Promise<Record<string, unknown>> {
  const type = request.headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase();
  if (type && type !== "application/json" && !type.endsWith("+json")) {
    throw new GatewayError("unsupported_media_type", `the body's content type is ${type.slice(0, 60)}; send application/json`);
  }
  const text = await readText(request, limit);
  const value = parse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new GatewayError("invalid_json", "the body must be a JSON object");
  if (isDeep(value)) throw new GatewayError("invalid_json", `the body is nested deeper than ${deepest} levels`);
  return value as Record<string, unknown>;
}

async function readText(request: IncomingMessage, limit: number): Promise<string> {
  const encoding = request.headers["content-encoding"]?.toLowerCase() ?? "identity";
  const decoder = Object.hasOwn(decoders, encoding) ? decoders[encoding as keyof typeof decoders]() : undefined;
  if (!decoder && encoding !== "identity")
    throw new GatewayError("unsupported_media_type", "the body's content encoding must be gzip, deflate, br or none");
  const length = decoder ? undefined : request.headers["content-length"];
  try {
    return await getRawBody(decoder ? request.pipe(decoder) : request, { limit, length, encoding: "utf8" });
  } catch (error) {
    if ((error as { type?: string }).type === "entity.too.large")
      throw new GatewayError("request_too_large", `the body is larger than ${limit} bytes`, { cause: error });
    throw new GatewayError("invalid_json", "the body could not be read", { cause: error });
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new GatewayError("invalid_json", text.trim() === "" ? "the body is empty; send a JSON object" : "the body is not valid JSON", {
      cause: error,
    });
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
