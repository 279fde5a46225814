// Lifts long texts out of JSON as bytes, so that pictures are never strings.
import { randomBytes } from "node:crypto";
import type { LocalData } from "./convert.ts";
import { createGauge, type JsonBounds } from "./json-gauge.ts";
import { gather } from "./pieces.ts";
import type { KeptData } from "./keep.ts";

/** A long text of somebody's JSON, kept as bytes. Expressions hand it on; nothing reads it as a string. */
export class LongText {
  /** The bytes of a picture, where the text is one's base64. */
  readonly picture: LocalData | undefined;
  /** The text's own bytes, where it is anything else; neither where it began as a picture and is none, or is more than was kept. */
  readonly text: KeptData | undefined;
  /** Set where it is a picture whose end is missing, which is not kept. */
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

/** Length of a text in a provider's JSON from which it passes as bytes, in bytes: what is shorter is no picture. */
export const liftFrom = 64 * 1024;

export type Text = AsyncIterableIterator<Buffer>;

/**
 * Handles a long text; the result stands in its place. `text` yields its bytes as they arrive, without JSON's escapes; the
 * first piece holds its beginning. `soFar` gives the document as if it ended with this text, with the given value in its place.
 */
export type Sink = (text: Text, soFar: (value: unknown) => unknown) => Promise<unknown>;

// A text that a provider could not have guessed stands in the small document for each lifted one.
const mark = `lifted-${randomBytes(12).toString("hex")}-`;

// JSON has none, some writers begin with one all the same.
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

const quote = 0x22;
const backslash = 0x5c;

const unbounded: JsonBounds = { text: Infinity, values: Infinity, depth: Infinity };

interface LiftOptions {
  /** Reads the text around the long ones; UTF-8 when omitted. */
  decode?: (bytes: Buffer) => string;
  bounds?: JsonBounds;
  /** True for an error with which the source may break off behind a whole object or list. */
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
  /** Everything before it in the chunk is dealt with. */
  from: number;
}

/**
 * Parse JSON while it arrives. Long texts go through `sink`, in turn, so that a picture's base64 is never a string and need not be in
 * memory. Rejects with `SyntaxError` for what is not JSON, with `TooMuchJson` for more than `bounds`, or with the source's, the sink's or the
 * decoder's own error.
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

/** Take the next chunk; false where there is none. */
async function advance(reading: Reading): Promise<boolean> {
  const next = await reading.source.next();
  reading.chunk = next.done ? Buffer.alloc(0) : next.value;
  reading.from = 0;
  return !next.done;
}

/** As `advance`, where the document may be whole already. */
function goOn(reading: Reading): Promise<boolean> {
  return advance(reading).catch((error: unknown) => {
    if (reading.small.length > 0 && reading.gauge.closing() === "" && reading.mayBreakOff(error)) return false;
    throw error;
  });
}

/** Read the chunk to its end, and on to the end of a text that it breaks off in. */
async function readChunk(reading: Reading): Promise<void> {
  let outside = reading.from; // The beginning of what is no text.
  for (let start = reading.chunk.indexOf(quote, outside); start !== -1; start = reading.chunk.indexOf(quote, outside)) {
    reading.gauge.between(reading.chunk, outside, start);
    const end = endOfText(reading.chunk, start + 1, 0);
    const isWhole = end !== -1 && end - start - 1 < liftFrom;
    outside = (isWhole ? end : await readLongText(reading, start, end)) + 1;
  }
  reading.gauge.between(reading.chunk, outside, reading.chunk.length);
  keep(reading, reading.chunk.subarray(reading.from));
}

/** Read a text that is long, or breaks off with its chunk; returns the index of its closing quote, which may stand in a later chunk. */
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

/** Hand a long text to the sink. What the sink does not read is read away. */
async function lift(reading: Reading, held: readonly Buffer[], slashes: number): Promise<void> {
  const { sink, decode, small, lifted, gauge } = reading;
  const pieces = restOfText(reading, held, slashes);
  // A reader of the text that stops early does not end the pieces.
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

/** The rest of the text that the chunk is in, piece by piece; `held` is its beginning. Leaves `from` at its closing quote. */
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

/** The index of the quote that ends the text which `at` is in; `slashes` backslashes stand right before `at`. */
function endOfText(bytes: Buffer, at: number, slashes: number): number {
  for (let end = bytes.indexOf(quote, at); end !== -1; end = bytes.indexOf(quote, end + 1)) {
    if (slashesAtEnd(bytes.subarray(at, end), slashes) % 2 === 0) return end;
  }
  return -1;
}

/** How many backslashes a text ends with after a further piece of it, when it ended with `before` until then. */
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

// In turn: what may be the first half of an escape at the end of a piece, a pair of surrogates, any other escape.
const escapes =
  /\\(?:(?:ud[89ab][\da-f]{2}(?:\\(?:u[\da-f]{0,3})?)?|(?:u[\da-f]{0,3})?)$|ud[89ab][\da-f]{2}\\ud[c-f][\da-f]{2}|u[\da-f]{4}|[^])/gi;

/** Takes JSON's escapes off a text that comes piece by piece. Base64 has none but the `\/` and line breaks of some writers. */
function unescaper(): (piece: Buffer, last: boolean) => Buffer {
  let rest = "";
  return (piece, last) => {
    if (rest === "" && !piece.includes(backslash)) return piece;
    // In Latin-1 every byte is a character, so that no character of UTF-8 can be cut.
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

// A text in lines has one for each of them.
const common: Readonly<Record<string, string>> = { "\\n": "\n", "\\r": "\r", "\\/": "/" };

/** The bytes that an escape stands for, a character each. */
function unescape(escape: string): string {
  return common[escape] ?? Buffer.from(JSON.parse(`"${escape}"`) as string).toString("latin1");
}
