import { ProviderFailure } from "../errors.ts";
import { isPlainObject } from "../expression/cel.ts";
import type { Authorizer } from "../net/auth/authorizer.ts";
import { readParts } from "../net/parts.ts";
import { readBody, send, type OutgoingRequest } from "../net/send.ts";
import { LongText, parseLifted } from "../picture/lift.ts";
import { sniff } from "../picture/sniff.ts";
import type { Exchange } from "./call.ts";

/** A provider's whole answer, as expressions see it. */
export interface Answer {
  status: number;
  headers: Record<string, string>;
  /** JSON parsed, text as it is, the parts of a form by name; bytes of a picture as base64. */
  body: unknown;
  /** Set where the body is a picture and nothing else. */
  bytes?: Buffer;
}

/** A provider's answer, in bytes, at most. */
const answerLimit = 256 * 1024 * 1024;

/** Send one call of a channel and read the whole answer. The key goes with it only where it may. */
export async function exchange(request: OutgoingRequest, around: Exchange): Promise<Answer> {
  const { signal } = around.ctx;
  const url = new URL(request.url);
  const signed = await authorized(request, url, around.authorize, around);
  const incoming = await send(signed, signal, { guarded: !around.trusted(url) });
  const bytes = await readBody(incoming, answerLimit, signal);
  return { status: incoming.status, headers: incoming.headers, ...(await parse(bytes, incoming.headers["content-type"] ?? "")) };
}

async function authorized(
  request: OutgoingRequest,
  url: URL,
  authorize: Authorizer | undefined,
  { key, mayCarryKey, ctx }: Exchange,
): Promise<OutgoingRequest> {
  return key !== undefined && authorize && mayCarryKey(url) ? authorize(request, key, ctx.signal) : request;
}

/** What an answer claims to be is often wrong: JSON is tried first, then a picture's magic number. */
async function parse(bytes: Buffer, type: string): Promise<Pick<Answer, "body" | "bytes">> {
  if (/^multipart\//i.test(type)) return { body: await bodyOfParts(bytes, type) };
  if (sniff(bytes)) return { body: null, bytes };
  try {
    const body = parseLifted(bytes);
    if (!isDeep(body)) return { body };
  } catch {
    // Told by whoever needed more than a text.
  }
  return { body: bytes.subarray(0, 64 * 1024).toString("utf8") };
}

/** What is nested so deep is no answer, and would wear out what walks it. */
function isDeep(body: unknown): boolean {
  let level = [body];
  for (let depth = 0; depth < 100 && level.length > 0; depth += 1)
    level = level.flatMap((item) => (Array.isArray(item) ? (item as unknown[]) : isPlainObject(item) ? Object.values(item) : []));
  return level.length > 0;
}

/** The parts of a multipart answer by name: JSON parsed, pictures as base64. */
async function bodyOfParts(bytes: Buffer, type: string): Promise<Record<string, unknown>> {
  try {
    const parts = await readParts(bytes, type);
    return Object.fromEntries(parts.map(({ name, type: kind, content }) => [name, bodyOfPart(content, kind)]));
  } catch (cause) {
    throw new ProviderFailure("bad_response", "the provider's answer of several parts was not understood", { cause });
  }
}

function bodyOfPart(content: Buffer, type: string): unknown {
  if (/json/.test(type)) return JSON.parse(content.toString("utf8"));
  return sniff(content) ? new LongText(Buffer.from(content.toString("base64"))) : content.toString("utf8");
}
