// Reads a provider's answer within bounds. Its type is found by its content rather than its headers.
import { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { ProviderFailure } from "../errors.ts";
import { isPlainObject } from "../expression/cel.ts";
import { readParts } from "../net/parts.ts";
import { arrivedBody, bodyOf, type IncomingAnswer } from "../net/send.ts";
import { readEvents, TooManyLines } from "../net/sse.ts";
import { arrivingBytes, joined, keepTexts, readAway, type Taker } from "../picture/arrive.ts";
import { chunksOf, type LocalData } from "../picture/convert.ts";
import { judgeJson, TooMuchJson } from "../picture/json-gauge.ts";
import { liftJson, LongText, type Sink } from "../picture/lift.ts";
import { passingRoom } from "../picture/spool.ts";
import { readHead, sniff, sniffBytes } from "../picture/sniff.ts";
import { answerLimit, errorLimit, eventLimit, isBomb, jsonBounds, mostPictures, wordsLimit } from "./bounds.ts";
import type { CallContext } from "./context.ts";

/** A provider's complete answer, as expressions see it. */
export interface Answer {
  status: number;
  headers: Record<string, string>;
  /** The parsed JSON, the text, or the parts of a multipart body by name. Pictures in it are `LongText`. */
  body: unknown;
  /** Set if the whole body is one picture. */
  picture?: LocalData;
}

/**
 * Called with the answer read so far, when its first picture has begun to arrive. Returns true to take the picture; then the caller's picture stream
 * must be read before the rest of the answer can be.
 */
export type Early = (answer: Answer) => boolean;

/** An answer of which enough has arrived to know whether it is a stream of events. Its content decides this, not its content type. */
export interface Opened {
  status: number;
  headers: Record<string, string>;
  /** True for server-sent events. */
  isEvents: boolean;
  beginning: Buffer;
  /** The bytes behind the beginning; absent if there are none. */
  rest?: AsyncGenerator<Buffer>;
}

/** Reads as much of an answer as it takes to know whether it is a stream of events. */
export async function open(incoming: IncomingAnswer, { ctx }: CallContext): Promise<Opened> {
  const { status, headers } = incoming;
  const arrived = arrivedBody(incoming.body, sniffBytes);
  if (arrived) return { status, headers, isEvents: looksLikeEvents(arrived) === true, beginning: arrived };
  const rest = inflated(incoming, bodyOf(incoming, status < 400 ? answerLimit : errorLimit, ctx.signal));
  let beginning: Buffer = Buffer.alloc(0);
  try {
    for (;;) {
      const next = await rest.next();
      if (next.done) return { status, headers, isEvents: false, beginning };
      beginning = Buffer.concat([beginning, next.value]);
      const isEvents = looksLikeEvents(beginning) ?? (beginning.length > longestSign ? false : undefined);
      if (isEvents !== undefined) return { status, headers, isEvents, beginning, rest };
    }
  } catch (error) {
    if (tellsByStatus(status, error)) return { status, headers, isEvents: false, beginning: Buffer.alloc(0) };
    throw error;
  }
}

/** Reads a whole answer. If the status is an error and the body cannot be read, the body is empty. */
export async function readAnswer(opened: Opened, context: CallContext, early?: Early): Promise<Answer> {
  const { status, headers } = opened;
  const answerOf = ({ body, picture }: Content): Answer => (picture ? { status, headers, body, picture } : { status, headers, body });
  try {
    return answerOf(await readContent(opened, context, early && ((part) => early(answerOf(part)))));
  } catch (error) {
    if (tellsByStatus(status, error)) return { status, headers, body: "" };
    throw error;
  }
}

/** True if the status alone is enough: an error status still counts when the body breaks off, for example as the proof that nothing was made. */
function tellsByStatus(status: number, error: unknown): boolean {
  return status >= 400 && error instanceof ProviderFailure;
}

async function readContent(opened: Opened, context: CallContext, early?: (content: Content) => boolean): Promise<Content> {
  const { status, headers, isEvents, rest } = opened;
  if (isEvents) return { body: await lastOf(opened, context) };
  const type = headers["content-type"] ?? "";
  const cut: Cut = {};
  const beginning =
    rest && opened.beginning.length < sniffBytes ? await readHead(untilCut(joined(opened.beginning, rest), cut)) : opened.beginning;
  if (rest && beginning.length >= sniffBytes) return receive({ beginning, rest, type, status }, context, early);
  const content = await parse(beginning, type, context);
  if (cut.by && !isWhole(content)) throw cut.by;
  return content;
}

interface Cut {
  by?: ProviderFailure;
}

/** The same chunks; a `ProviderFailure` of the source is noted in `cut` and taken as the end. */
async function* untilCut(chunks: AsyncIterable<Buffer>, cut: Cut): AsyncGenerator<Buffer> {
  try {
    yield* chunks;
  } catch (error) {
    if (!(error instanceof ProviderFailure)) throw error;
    cut.by = error;
  }
}

/** True if the content is complete although its answer broke off. An object or list was parsed, and an incomplete one would not be valid JSON. */
function isWhole({ body }: Content): boolean {
  return typeof body === "object" && body !== null;
}

/** The events of an answer; data that is JSON is parsed. Throws `bad_response` if there are too many events or lines. */
export async function* eventsOf(
  { beginning, rest, status }: Opened,
  context: CallContext,
): AsyncGenerator<{ name: string; body: unknown }> {
  const sink = sinkFor(context, status);
  let count = 0;
  if (rest) await context.ctx.spool.room(passingRoom, context.ctx.signal);
  try {
    for await (const event of readEvents(rest ? joined(beginning, rest) : Readable.from([beginning]))) {
      count += 1;
      if (count > eventLimit) throw tooMuch(`has more than ${eventLimit} events`);
      if (count % eventsATurn === 0) await setImmediate();
      const head = await readHead(event.data);
      const body = head.length < sniffBytes ? parseText(head, context) : await parseLifted(joined(head, event.data), head, sink, context);
      if (body === "[DONE]") return;
      yield { name: event.name, body };
    }
  } catch (error) {
    throw error instanceof TooManyLines ? tooMuch(error.message) : error;
  }
}

/** Events of a stream after which other requests have their turn: parsing more at once would delay all of them. */
export const eventsATurn = 50;

/** The answer of a provider that sent events where a single answer was expected: the data of the last event that is an object. */
async function lastOf(opened: Opened, context: CallContext): Promise<unknown> {
  let last: unknown = opened.beginning.toString("utf8");
  for await (const { body } of eventsOf(opened, context)) if (isPlainObject(body)) last = body;
  return last;
}

/** Beginning of an answer that is examined to recognise a stream of events, in bytes: white space counts. */
export const longestSign = 4096;

/** True for a text that begins like server-sent events and not like a data URI; undefined while it is too short to know. */
function looksLikeEvents(bytes: Buffer): boolean | undefined {
  const text = bytes
    .toString("utf8", 0, longestSign)
    .replace(/^\uFEFF/, "")
    .trimStart();
  if (/^(?:data:(?!image\/)|event:|id:|retry:|:)/.test(text) && !"data:image/".startsWith(text)) return true;
  return ["data:image/", "event:", "retry:", "id:"].some((sign) => sign.startsWith(text)) ? undefined : false;
}

/** The same chunks. Throws if a compressed body expands to more than the bytes on the wire can honestly hold. */
async function* inflated({ body }: IncomingAnswer, chunks: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  const { socket } = body as { socket?: Socket };
  // Only a compressed body is a stream other than `IncomingMessage`: its decompressor.
  if (!socket || body instanceof IncomingMessage) {
    yield* chunks;
    return;
  }
  const before = socket.bytesRead;
  let length = 0;
  for await (const chunk of chunks) {
    length += chunk.length;
    if (isBomb(length, socket.bytesRead - before)) throw tooMuch("is many times larger than what was sent");
    yield chunk;
  }
}

function tooMuch(how: string): ProviderFailure {
  return new ProviderFailure("bad_response", `the provider's answer ${how}`);
}

type Content = Pick<Answer, "body" | "picture">;

/** Parses a small body. The content type counts only for multipart, since it is often wrong: a picture is known by its magic number. */
async function parse(bytes: Buffer, type: string, context: CallContext): Promise<Content> {
  if (/^multipart\//i.test(type)) return { body: await bodyOfParts([bytes], type, context) };
  if (sniff(bytes)) return { body: null, picture: { kind: "bytes", bytes } };
  return { body: parseText(bytes, context) };
}

/** The parsed JSON, or the text if it is not JSON. */
function parseText(bytes: Buffer, { ctx }: CallContext): unknown {
  const text = bytes.toString("utf8").replace(/^\uFEFF/, "");
  try {
    const body: unknown = JSON.parse(text);
    judgeJson(body, jsonBounds(ctx.request.n));
    return body;
  } catch (error) {
    if (error instanceof TooMuchJson) throw tooMuch(error.message);
    return text; // A caller that needs JSON reports it.
  }
}

/** As `parse`, for a large body: its pictures are stored while they arrive and need not be in memory. */
async function receive(
  { beginning, rest, type, status }: { beginning: Buffer; rest: AsyncGenerator<Buffer>; type: string; status: number },
  context: CallContext,
  early?: (content: Content) => boolean,
): Promise<Content> {
  const { spool, signal } = context.ctx;
  await spool.room(passingRoom, signal);
  const whole = joined(beginning, rest);
  if (/^multipart\//i.test(type)) return { body: await bodyOfParts(whole, type, context) };
  if (sniff(beginning)) {
    const picture = arrivingBytes(beginning, whole);
    if (!early?.({ body: null, picture })) return { body: null, picture: await spool.take(chunksOf(picture), answerLimit) };
    await readAway(picture, signal);
    return { body: null, picture };
  }
  const taker: Taker = (picture, soFar) => early?.({ body: soFar(new LongText({ picture })) }) === true;
  return { body: await parseLifted(whole, beginning, sinkFor(context, status, early && taker), context) };
}

/** Handles the long texts of an answer: pictures are kept up to the limit. Of an error's body no picture is kept. */
function sinkFor({ ctx: { spool, signal, request } }: CallContext, status = 200, taker?: Taker): Sink {
  const most = status < 400 ? 2 * mostPictures(request.n) : 0;
  return keepTexts(spool, signal, { limit: answerLimit, words: wordsLimit, most, whole: true, taker });
}

/** The parsed JSON. If the answer is not JSON, only its beginning is returned, as a text. */
async function parseLifted(whole: AsyncIterableIterator<Buffer>, beginning: Buffer, sink: Sink, { ctx }: CallContext): Promise<unknown> {
  try {
    if (/^(?:\xef\xbb\xbf)?\s*[[{]/.test(beginning.toString("latin1")))
      return await liftJson(whole, sink, { bounds: jsonBounds(ctx.request.n), mayBreakOff: (error) => error instanceof ProviderFailure });
    await whole.return?.();
  } catch (error) {
    if (error instanceof TooMuchJson) throw tooMuch(error.message);
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error;
  }
  return beginning.toString("utf8");
}

/** The parts of a multipart answer by name: JSON is parsed, pictures become `LongText`. */
async function bodyOfParts(
  bytes: AsyncIterable<Buffer> | Iterable<Buffer>,
  type: string,
  context: CallContext,
): Promise<Record<string, unknown>> {
  try {
    return Object.fromEntries(
      await readParts(bytes, type, async ({ name, type: kind }, content) => [name, await bodyOfPart(content, kind, context)]),
    );
  } catch (cause) {
    if (cause instanceof ProviderFailure) throw cause;
    throw new ProviderFailure("bad_response", "the provider's answer of several parts was not understood", { cause });
  }
}

async function bodyOfPart(content: Readable, type: string, context: CallContext): Promise<unknown> {
  const chunks = content[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const beginning = await readHead(chunks);
  const whole = joined(beginning, chunks);
  if (/json/.test(type)) return liftJson(whole, sinkFor(context), { bounds: jsonBounds(context.ctx.request.n) });
  if (sniff(beginning))
    return new LongText({ picture: await context.ctx.spool.take(chunksOf(arrivingBytes(beginning, whole)), answerLimit) });
  for (let next = await whole.next(); !next.done;) next = await whole.next();
  return beginning.toString("utf8");
}
