// Lifts long texts out of JSON as bytes, so that pictures never become strings.
import { randomBytes } from "node:crypto";
import type { LocalData } from "./convert.ts";
import { createGauge, type JsonBounds } from "./json-gauge.ts";
import { gather } from "./pieces.ts";
import type { KeptData } from "./keep.ts";

/** A long text of a client's or provider's JSON, kept as bytes. Expressions pass it on; nothing reads it as a string. */
export class LongText {
  /** The decoded picture, if the text is the base64 of one. */
  readonly picture: LocalData | undefined;
  /**
   * The text's own bytes, if it is not a picture. Both are absent for a text that begins like a picture but is broken, or that was too long
   * to keep.
   */
  readonly text: KeptData | undefined;
  /** True for a picture whose end is missing; it is not kept. */
  readonly cut: boolean;
  /** The text before a picture's base64: the beginning of a data URI, or nothing. */
  readonly prefix: string;

  constructor({ picture, text, cut = false, prefix = "" }: { picture?: LocalData; text?: KeptData; cut?: boolean; prefix?: string }) {
    this.picture = picture;
    this.text = text;
    this.cut = cut;
    this.prefix = prefix;
  }

  /** A short form for logs and messages. */
  toString(): string {
    return this.picture ? "(a picture)" : "(a long text)";
  }

  toJSON(): string {
    return this.toString();
  }
}

/** Length from which a text in JSON is lifted out as bytes, in bytes: a shorter text is hardly a picture. */
export const liftFrom = 64 * 1024;

export type Text = AsyncIterableIterator<Buffer>;

/**
 * Handles a long text; the result takes its place in the document. `text` yields the bytes as they arrive, without JSON's escapes; the first piece
 * holds the beginning. `soFar(value)` returns the document as if it ended after this text, with `value` in the text's place.
 */
export type Sink = (text: Text, soFar: (value: unknown) => unknown) => Promise<unknown>;

// In the small document each lifted text is replaced by a placeholder that no sender can guess.
const mark = `lifted-${randomBytes(12).toString("hex")}-`;

// JSON does not allow a byte order mark, but some writers begin with one.
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

const quote = 0x22;
const backslash = 0x5c;

const unbounded: JsonBounds = { text: Infinity, values: Infinity, depth: Infinity };

interface LiftOptions {
  /** Decodes the document around the long texts; UTF-8 when omitted. */
  decode?: (bytes: Buffer) => string;
  bounds?: JsonBounds;
  /** True for an error of the source that is ignored if the object or list was already complete. */
  mayBreakOff?: (error: unknown) => boolean;
}

/** A document that is being read. */
interface Reading extends Required<Omit<LiftOptions, "bounds">> {
  source: AsyncIterator<Buffer>;
  sink: Sink;
  gauge: ReturnType<typeof createGauge>;
  /** The kept part of the document: everything but its long texts. */
  small: Buffer[];
  /** The sink's results for the long texts, in order. */
  lifted: unknown[];
  chunk: Buffer;
  /** The index in the chunk up to which everything has been handled. */
  from: number;
}

/**
 * Parses JSON while it arrives. Long texts go through `sink`, one after the other, so that the base64 of a picture never becomes a string and need
 * not be in memory. Rejects with `SyntaxError` for a text that is not JSON, with `TooMuchJson` for JSON beyond `bounds`, or with the error of the
 * source, the sink or the decoder.
 */
export async function liftJson(
  chunks: AsyncIterable<Buffer>,
  sink: Sink,
  { decode = utf8, bounds = unbounded, mayBreakOff = () => false }: LiftOptions = {},
): Promise<unknown> {
  const source = chunks[Symbol.asyncIterator]();
  const gauge = createGauge(bounds);
  const reading: Reading = { source, sink, gauge, decode, mayBreakOff, small: [], lifted: [], chunk: Buffer.alloc(0), from: 0 };
  try {
    while (await goOn(reading)) {
      if (reading.small.length === 0 && reading.chunk.subarray(0, 3).equals(byteOrderMark)) reading.from = 3;
      await readChunk(reading);
    }
  } finally {
    await source.return?.();
  }
  return parseSmall(decode(Buffer.concat(reading.small)), reading.lifted);
}

function keep({ gauge, small }: Reading, piece: Buffer): void {
  gauge.kept(piece.length);
  gather(small, piece);
}

/** Takes the next chunk; false after the last one. */
async function advance(reading: Reading): Promise<boolean> {
  const next = await reading.source.next();
  reading.chunk = next.done ? Buffer.alloc(0) : next.value;
  reading.from = 0;
  return !next.done;
}

/** As `advance`, but an error that `mayBreakOff` accepts counts as the end if the document is complete. */
function goOn(reading: Reading): Promise<boolean> {
  return advance(reading).catch((error: unknown) => {
    if (reading.small.length > 0 && reading.gauge.closing() === "" && reading.mayBreakOff(error)) return false;
    throw error;
  });
}

/** Reads to the end of the chunk. If the chunk ends within a text, reads on to the end of that text. */
async function readChunk(reading: Reading): Promise<void> {
  let outside = reading.from; // The index behind the last text.
  for (let start = reading.chunk.indexOf(quote, outside); start !== -1; start = reading.chunk.indexOf(quote, outside)) {
    reading.gauge.between(reading.chunk, outside, start);
    const end = endOfText(reading.chunk, start + 1, 0);
    const isWhole = end !== -1 && end - start - 1 < liftFrom;
    outside = (isWhole ? end : await readLongText(reading, start, end)) + 1;
  }
  reading.gauge.between(reading.chunk, outside, reading.chunk.length);
  keep(reading, reading.chunk.subarray(reading.from));
}

/** Reads a text that is long or not complete in this chunk. Returns the index of its closing quote, which may be in a later chunk. */
async function readLongText(reading: Reading, start: number, closing: number): Promise<number> {
  let end = closing;
  keep(reading, reading.chunk.subarray(reading.from, start + 1));
  reading.from = start + 1;
  const held: Buffer[] = [];
  let slashes = 0;
  let size = (end === -1 ? reading.chunk.length : end) - start - 1;
  while (end === -1 && size < liftFrom) {
    const piece = reading.chunk.subarray(reading.from);
    held.push(piece);
    slashes = slashesAtEnd(piece, slashes);
    if (!(await advance(reading))) throw new SyntaxError("the JSON ends within a text");
    end = endOfText(reading.chunk, 0, slashes);
    size += end === -1 ? reading.chunk.length : end;
  }
  if (size >= liftFrom) {
    await lift(reading, held, slashes);
    return reading.from;
  }
  for (const piece of held) keep(reading, piece);
  return end;
}

/** Passes a long text to the sink. Bytes that the sink does not read are discarded. */
async function lift(reading: Reading, held: readonly Buffer[], slashes: number): Promise<void> {
  const { sink, decode, small, lifted, gauge } = reading;
  const pieces = restOfText(reading, held, slashes);
  // Without `return`: a sink that stops early must not end the pieces.
  const text: Text = { next: () => pieces.next() as Promise<IteratorResult<Buffer, undefined>>, [Symbol.asyncIterator]: () => text };
  const soFar = (value: unknown) => {
    const beginning = decode(Buffer.concat(small));
    return parseSmall(`${beginning}${mark}${lifted.length}"${gauge.closing()}`, [...lifted, value]);
  };
  const value = await sink(text, soFar);
  for (let next = await pieces.next(); !next.done;) next = await pieces.next();
  keep(reading, Buffer.from(`${mark}${lifted.length}`));
  lifted.push(value);
}

/** The text that the chunk lies in, piece by piece; `held` is its beginning, read before. Leaves `from` at the closing quote. */
async function* restOfText(reading: Reading, held: readonly Buffer[], slashes: number): AsyncGenerator<Buffer> {
  const plain = unescaper();
  let run = slashes;
  let first: readonly Buffer[] = held;
  for (let end = -1; end === -1;) {
    const { chunk, from } = reading;
    end = endOfText(chunk, from, run);
    const piece = chunk.subarray(from, end === -1 ? chunk.length : end);
    run = slashesAtEnd(piece, run);
    reading.from += piece.length;
    yield plain(first.length > 0 ? Buffer.concat([...first, piece]) : piece, end !== -1);
    first = [];
    if (end === -1 && !(await advance(reading))) throw new SyntaxError("the JSON ends within a text");
  }
}

function utf8(bytes: Buffer): string {
  return bytes.toString("utf8");
}

/** The index of the quote that ends the text around `at`, or -1; `slashes` backslashes stand right before `at`. */
function endOfText(bytes: Buffer, at: number, slashes: number): number {
  for (let end = bytes.indexOf(quote, at); end !== -1; end = bytes.indexOf(quote, end + 1)) {
    if (slashesAtEnd(bytes.subarray(at, end), slashes) % 2 === 0) return end;
  }
  return -1;
}

/** The number of backslashes at the end of a text after a further piece; before that piece the text ended with `before` of them. */
function slashesAtEnd(piece: Buffer, before: number): number {
  let count = 0;
  while (count < piece.length && piece[piece.length - 1 - count] === backslash) count += 1;
  return count === piece.length ? before + count : count;
}

function parseSmall(text: string, lifted: readonly unknown[]): unknown {
  if (lifted.length === 0) return JSON.parse(text);
  return JSON.parse(text, (key, value: unknown) => {
    if (key.startsWith(mark)) throw new SyntaxError("a name in the JSON is too long");
    return typeof value === "string" && value.startsWith(mark) ? lifted[Number(value.slice(mark.length))] : value;
  });
}

// The alternatives, in order: an escape cut off by the end of a piece, a surrogate pair, any other escape.
const escapes =
  /\\(?:(?:ud[89ab][\da-f]{2}(?:\\(?:u[\da-f]{0,3})?)?|(?:u[\da-f]{0,3})?)$|ud[89ab][\da-f]{2}\\ud[c-f][\da-f]{2}|u[\da-f]{4}|[^])/gi;

/** Decodes JSON's escapes in a text that comes piece by piece. The only escapes in base64 are the `\/` and line breaks of some writers. */
function unescaper(): (piece: Buffer, last: boolean) => Buffer {
  let rest = "";
  return (piece, last) => {
    if (rest === "" && !piece.includes(backslash)) return piece;
    // In Latin-1 every byte is one character, so a UTF-8 character may be cut between two pieces without harm.
    const text = rest + piece.toString("latin1");
    rest = "";
    const plain = text.replace(escapes, (escape: string, offset: number) => {
      const isCut = !last && offset + escape.length === text.length && /^\\(?:u.{0,3}|ud[89ab].*)?$/i.test(escape);
      if (!isCut) return unescape(escape);
      rest = escape;
      return "";
    });
    return Buffer.from(plain, "latin1");
  };
}

// Escapes that may occur once in each line of a text: they are decoded without `JSON.parse`.
const common: Readonly<Record<string, string>> = { "\\n": "\n", "\\r": "\r", "\\/": "/" };

/** The bytes that an escape stands for, one Latin-1 character for each. */
function unescape(escape: string): string {
  return common[escape] ?? Buffer.from(JSON.parse(`"${escape}"`) as string).toString("latin1");
}
