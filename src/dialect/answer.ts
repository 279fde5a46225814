// Reads a provider's answer, by its shape and within bounds.
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
 * Called for an answer whose first picture has begun to arrive, while the rest of it has not: what it is so far. True takes it; then the
 * picture is read from the wire, by somebody else, before the whole answer is here.
 */
export type Early = (answer: Answer) => boolean;

/** An answer of which enough is here to see what it is: what it looks like counts, not what it is called. */
export interface Opened {
  status: number;
  headers: Record<string, string>;
  /** True for server-sent events. */
  isEvents: boolean;
  beginning: Buffer;
  /** The rest behind the beginning; absent where there is none. */
  rest?: AsyncGenerator<Buffer>;
}

/** Wait until it can be seen what an answer is. */
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

/** Read a whole answer; of one whose status is an error's, what can be had. */
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

/** A body that breaks off does not revoke the status, such as the proof that nothing was made. */
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

/** The same chunks, as if what breaks off had ended there. */
async function* untilCut(chunks: AsyncIterable<Buffer>, cut: Cut): AsyncGenerator<Buffer> {
  try {
    yield* chunks;
  } catch (error) {
    if (!(error instanceof ProviderFailure)) throw error;
    cut.by = error;
  }
}

/** True where the content is complete although its answer broke off: no part of a JSON object or list is valid JSON. */
function isWhole({ body }: Content): boolean {
  return typeof body === "object" && body !== null;
}

/** The events of an answer, their data parsed where it is JSON. Throws `bad_response` for more than anybody needs. */
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

/** Events of a stream after which other requests have their turn: parsing many at once would hold everybody up. */
export const eventsATurn = 50;

/** Among events in place of one answer, the last that says something is the answer. */
async function lastOf(opened: Opened, context: CallContext): Promise<unknown> {
  let last: unknown = opened.beginning.toString("utf8");
  for await (const { body } of eventsOf(opened, context)) if (isPlainObject(body)) last = body;
  return last;
}

/** Beginning of an answer by which it shows that it is a stream, in bytes: white space counts. */
export const longestSign = 4096;

/** True for a text that begins as server-sent events do; undefined while it is too short to know. A data URI does not. */
function looksLikeEvents(bytes: Buffer): boolean | undefined {
  const text = bytes
    .toString("utf8", 0, longestSign)
    .replace(/^\uFEFF/, "")
    .trimStart();
  if (/^(?:data:(?!image\/)|event:|id:|retry:|:)/.test(text) && !"data:image/".startsWith(text)) return true;
  return ["data:image/", "event:", "retry:", "id:"].some((sign) => sign.startsWith(text)) ? undefined : false;
}

/** The same chunks, unless they are more than what came over the wire can stand for. */
async function* inflated({ body }: IncomingAnswer, chunks: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  const { socket } = body as { socket?: Socket };
  // A compressed body is read through its decompressor.
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

/** The content type of an answer is often wrong: JSON is tried first, then a picture's magic number. */
async function parse(bytes: Buffer, type: string, context: CallContext): Promise<Content> {
  if (/^multipart\//i.test(type)) return { body: await bodyOfParts([bytes], type, context) };
  if (sniff(bytes)) return { body: null, picture: { kind: "bytes", bytes } };
  return { body: parseText(bytes, context) };
}

/** JSON parsed, and a text as it is where it is none. */
function parseText(bytes: Buffer, { ctx }: CallContext): unknown {
  const text = bytes.toString("utf8").replace(/^\uFEFF/, "");
  try {
    const body: unknown = JSON.parse(text);
    judgeJson(body, jsonBounds(ctx.request.n));
    return body;
  } catch (error) {
    if (error instanceof TooMuchJson) throw tooMuch(error.message);
    return text; // Reported by whoever needed more than a text.
  }
}

/** The same for an answer that is not small, so that no picture of it need be in memory. */
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

/** Handles the long texts of an answer: pictures are kept, up to the limit, and nothing of an error's body. */
function sinkFor({ ctx: { spool, signal, request } }: CallContext, status = 200, taker?: Taker): Sink {
  const most = status < 400 ? 2 * mostPictures(request.n) : 0;
  return keepTexts(spool, signal, { limit: answerLimit, words: wordsLimit, most, whole: true, taker });
}

/** JSON parsed, and its beginning as a text where it is none; then the rest is not waited for. */
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

/** The parts of a multipart answer by name: JSON parsed, pictures as their bytes. */
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
