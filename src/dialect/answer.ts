import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { ProviderFailure } from "../errors.ts";
import { isPlainObject } from "../expression/cel.ts";
import type { Authorizer } from "../net/auth/authorizer.ts";
import { readParts } from "../net/parts.ts";
import { arrivedBody, bodyOf, send, type IncomingAnswer, type OutgoingRequest } from "../net/send.ts";
import { joined, keepTexts, readAway, type Taker } from "../picture/arrive.ts";
import type { LocalData } from "../picture/convert.ts";
import { liftJson, LongText, type Sink } from "../picture/lift.ts";
import { passingRoom } from "../picture/spool.ts";
import { readHead, sniff, sniffBytes } from "../picture/sniff.ts";
import type { Exchange } from "./call.ts";

/** A provider's whole answer, as expressions see it. */
export interface Answer {
  status: number;
  headers: Record<string, string>;
  /** JSON parsed, text as it is, the parts of a form by name; pictures in it are `LongText`. */
  body: unknown;
  /** Set where the body is a picture and nothing else. */
  picture?: LocalData;
}

/**
 * Told of an answer whose first picture has begun to arrive, while the rest of it has not: what it is so far. True takes it; then the
 * picture is read from the wire, by somebody else, before the whole answer is here.
 */
export type Early = (answer: Answer) => boolean;

/** A provider's answer, in bytes, at most. */
export const answerLimit = 256 * 1024 * 1024;

/** Send one call of a channel and read the whole answer. */
export async function exchange(request: OutgoingRequest, around: Exchange): Promise<Answer> {
  return readAnswer(await call(request, around), around);
}

/** Send one call of a channel; `sent` is told when the whole of it is out. The key goes with it only where it may. */
export async function call(request: OutgoingRequest, around: Exchange, sent?: () => void): Promise<IncomingAnswer> {
  const url = new URL(request.url);
  const signed = await authorized(request, url, around.authorize, around);
  for (const secret of signed.secrets ?? []) (around.made ??= new Set()).add(secret);
  const incoming = await send(signed, around.ctx.signal, { guarded: !around.trusted(url), ...around.patience, sent });
  if (incoming.status === 401 && around.key !== undefined) around.authorize?.turnedAway?.(around.key);
  return incoming;
}

/** Read a whole answer; of one whose status is an error's, what can be had. */
export async function readAnswer(incoming: IncomingAnswer, around: Exchange, early?: Early): Promise<Answer> {
  try {
    return await readWhole(incoming, around, early);
  } catch (error) {
    // What the status has told, such as that nothing was made, a body that breaks off does not take back.
    if (incoming.status >= 400 && error instanceof ProviderFailure) return { ...incoming, body: "" };
    throw error;
  }
}

async function readWhole(incoming: IncomingAnswer, around: Exchange, early?: Early): Promise<Answer> {
  const { status, headers } = incoming;
  const type = headers["content-type"] ?? "";
  const answerOf = ({ body, picture }: Content): Answer => (picture ? { status, headers, body, picture } : { status, headers, body });
  const arrived = arrivedBody(incoming.body, sniffBytes);
  if (arrived) return answerOf(await parse(arrived, type));
  const chunks = bodyOf(incoming, answerLimit, around.ctx.signal);
  const beginning = await readHead(chunks);
  if (beginning.length < sniffBytes) return answerOf(await parse(beginning, type));
  return answerOf(await receive(beginning, chunks, type, around, early && ((part) => early(answerOf(part)))));
}

/** The data of one event of an answer that is a stream: JSON parsed, text as it is. */
export function readData(data: Buffer, { spool, signal }: Pick<Exchange["ctx"], "spool" | "signal">): Promise<unknown> {
  return parseLifted(Readable.from([data]), data.subarray(0, 64 * 1024), keepTexts(spool, answerLimit, signal));
}

type Content = Pick<Answer, "body" | "picture">;

/** What an answer claims to be is often wrong: JSON is tried first, then a picture's magic number. */
async function parse(bytes: Buffer, type: string): Promise<Content> {
  if (/^multipart\//i.test(type)) return { body: await bodyOfParts(bytes, type) };
  if (sniff(bytes)) return { body: null, picture: { kind: "bytes", bytes } };
  try {
    const body: unknown = JSON.parse(bytes.toString("utf8").replace(/^\uFEFF/, ""));
    if (!isDeep(body)) return { body };
  } catch {
    // Told by whoever needed more than a text.
  }
  return { body: bytes.toString("utf8") };
}

/** The same for an answer that is not small, so that no picture of it need be in memory. */
async function receive(
  beginning: Buffer,
  rest: AsyncGenerator<Buffer>,
  type: string,
  { ctx: { spool, signal } }: Exchange,
  early?: (content: Content) => boolean,
): Promise<Content> {
  await spool.room(passingRoom, signal);
  const whole = joined(beginning, rest);
  if (/^multipart\//i.test(type)) return { body: await bodyOfParts(await buffer(whole), type) };
  if (sniff(beginning)) {
    const picture = { kind: "stream" as const, head: beginning, stream: Readable.from(rest) };
    if (!early?.({ body: null, picture })) return { body: null, picture: await spool.take(whole, answerLimit) };
    await readAway(picture, signal);
    return { body: null, picture };
  }
  const taker: Taker = (picture, soFar) => {
    const body = soFar(new LongText({ picture }));
    return !isDeep(body) && early?.({ body }) === true;
  };
  return { body: await parseLifted(whole, beginning, keepTexts(spool, answerLimit, signal, early && taker)) };
}

/** JSON parsed, and its beginning as a text where it is none. */
async function parseLifted(whole: AsyncIterable<Buffer>, beginning: Buffer, sink: Sink): Promise<unknown> {
  try {
    const body = await liftJson(whole, sink);
    if (!isDeep(body)) return body;
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error;
  }
  return beginning.toString("utf8");
}

async function authorized(
  request: OutgoingRequest,
  url: URL,
  authorize: Authorizer | undefined,
  { key, mayCarryKey, ctx }: Exchange,
): Promise<OutgoingRequest> {
  return key !== undefined && authorize && mayCarryKey(url) ? authorize(request, key, ctx.signal) : request;
}

/** What is nested so deep is no answer, and would wear out what walks it. */
function isDeep(body: unknown): boolean {
  let level = [body];
  for (let depth = 0; depth < 100 && level.length > 0; depth += 1)
    level = level.flatMap((item) => (Array.isArray(item) ? (item as unknown[]) : isPlainObject(item) ? Object.values(item) : []));
  return level.length > 0;
}

/** The parts of a multipart answer by name: JSON parsed, pictures as their bytes. */
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
  return sniff(content) ? new LongText({ picture: { kind: "bytes", bytes: content } }) : content.toString("utf8");
}
