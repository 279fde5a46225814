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

/**
 * Parse JSON while it arrives. Long texts go through `sink`, in turn, so that a picture's base64 is never a string and need not be in
 * memory. `decode` reads the text around them. The source may break off behind a whole object or list with an error that `mayBreakOff`
 * knows. Rejects with `SyntaxError` for what is not JSON, with `TooMuchJson` for more than
 * `bounds`, or with the source's, the sink's or the decoder's own error.
 */
export async function liftJson(
  chunks: AsyncIterable<Buffer>,
  sink: Sink,
  {
    decode = utf8,
    bounds = unbounded,
    mayBreakOff = () => false,
  }: { decode?: (bytes: Buffer) => string; bounds?: JsonBounds; mayBreakOff?: (error: unknown) => boolean } = {},
): Promise<unknown> {
  const source = chunks[Symbol.asyncIterator]();
  const gauge = createGauge(bounds);
  const small: Buffer[] = [];
  const lifted: unknown[] = [];
  let chunk: Buffer = Buffer.alloc(0);
  let from = 0; // Everything before it in the chunk is dealt with.

  const keep = (piece: Buffer) => {
    gauge.kept(piece.length);
    gather(small, piece);
  };

  const advance = async (): Promise<boolean> => {
    const next = await source.next();
    chunk = next.done ? Buffer.alloc(0) : next.value;
    from = 0;
    return !next.done;
  };

  /** As `advance`, where the document may be whole already. */
  const goOn = () =>
    advance().catch((error: unknown) => {
      if (small.length > 0 && gauge.closing() === "" && mayBreakOff(error)) return false;
      throw error;
    });

  /** The rest of the text that the chunk is in, piece by piece; `held` is its beginning. Leaves `from` at its closing quote. */
  async function* restOfText(held: readonly Buffer[], slashes: number): AsyncGenerator<Buffer> {
    const plain = unescaper();
    let run = slashes;
    let first: readonly Buffer[] = held;
    for (let end = -1; end === -1;) {
      end = endOfText(chunk, from, run);
      const piece = chunk.subarray(from, end === -1 ? chunk.length : end);
      run = slashesAtEnd(piece, run);
      from += piece.length;
      yield plain(first.length > 0 ? Buffer.concat([...first, piece]) : piece, end !== -1);
      first = [];
      if (end === -1 && !(await advance())) throw new SyntaxError("the JSON ends within a text");
    }
  }

  /** Hand a long text to the sink. What the sink does not read is read away. */
  async function lift(held: readonly Buffer[], slashes: number): Promise<void> {
    const pieces = restOfText(held, slashes);
    // A reader of the text that stops early does not end the pieces.
    const text: Text = { next: () => pieces.next() as Promise<IteratorResult<Buffer, undefined>>, [Symbol.asyncIterator]: () => text };
    const soFar = (value: unknown) => {
      const beginning = decode(Buffer.concat(small));
      return parseSmall(`${beginning}${mark}${lifted.length}"${gauge.closing()}`, [...lifted, value]);
    };
    const value = await sink(text, soFar);
    for (let next = await pieces.next(); !next.done;) next = await pieces.next();
    keep(Buffer.from(`${mark}${lifted.length}`));
    lifted.push(value);
  }

  try {
    while (await goOn()) {
      if (small.length === 0 && chunk.subarray(0, 3).equals(byteOrderMark)) from = 3;
      let outside = from; // The beginning of what is no text.
      for (let start = chunk.indexOf(quote, from); start !== -1;) {
        gauge.between(chunk, outside, start);
        let end = endOfText(chunk, start + 1, 0);
        const length = (end === -1 ? chunk.length : end) - start - 1;
        if (end === -1 || length >= liftFrom) {
          keep(chunk.subarray(from, start + 1));
          from = start + 1;
          const held: Buffer[] = [];
          let slashes = 0;
          let size = length;
          while (end === -1 && size < liftFrom) {
            const piece = chunk.subarray(from);
            held.push(piece);
            slashes = slashesAtEnd(piece, slashes);
            if (!(await advance())) throw new SyntaxError("the JSON ends within a text");
            end = endOfText(chunk, 0, slashes);
            size += end === -1 ? chunk.length : end;
          }
          if (size >= liftFrom) {
            await lift(held, slashes);
            end = from;
          } else held.forEach(keep);
        }
        outside = end + 1;
        start = chunk.indexOf(quote, outside);
      }
      gauge.between(chunk, outside, chunk.length);
      keep(chunk.subarray(from));
    }
  } finally {
    await source.return?.();
  }
  return parseSmall(decode(Buffer.concat(small)), lifted);
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
