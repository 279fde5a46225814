// Reads a multipart form part by part while it arrives (RFC 2046, RFC 7578). A part that it cannot understand is an error, never skipped.
import { decodedBase64, NotBase64, standardBase64 } from "../picture/base64.ts";
import { fromHex, partError, readPartHead, type PartHead } from "./part-head.ts";

/** A part of a form. */
export interface Part extends Omit<PartHead, "encoding"> {
  /** Counted from 1. */
  number: number;
  /** The bytes, without their transfer encoding. Bytes left unread are discarded before the next part. */
  content: AsyncIterableIterator<Buffer>;
}

/** Thrown for a body that its boundary does not divide into parts. */
export class BrokenForm extends Error {}

/** Largest headers of a part of a form, and largest text before the first part, in bytes: browsers and SDKs send some hundred. */
export const mostHead = 16 * 1024;

const blankLine = Buffer.from("\r\n\r\n");

/**
 * The parts of a form in their order. With `attachments`, a part whose disposition is `attachment` counts as one too, if it has a name. Throws
 * `BrokenForm` for a body that ends too early or has another boundary, a `GatewayError` that names the number of a part that cannot be
 * understood, or the source's own error.
 */
export async function* partsOf(chunks: AsyncIterable<Buffer>, boundary: string, attachments = false): AsyncGenerator<Part> {
  const delimiter = Buffer.from(`\r\n--${boundary}`, "latin1");
  const source = cutter(chunks);
  try {
    if (!(await source.upTo(delimiter))) throw new BrokenForm("it does not begin with the boundary of its content type");
    for (let number = 1; !(await source.endsHere()); number += 1) {
      const head = await source.upTo(blankLine);
      if (!head) throw partError(number, `has no end of its headers within ${mostHead} bytes; put an empty line before its content`);
      const { encoding, ...told } = readPartHead(head, number, attachments);
      const raw = source.all(delimiter);
      const bytes = encoding === "base64" ? fromBase64(raw, number) : encoding === "quoted-printable" ? fromQuoted(raw, number) : raw;
      // Without `return`: a reader that stops early must not end the source.
      const content: Part["content"] = { next: () => bytes.next(), [Symbol.asyncIterator]: () => content };
      yield { number, ...told, content };
      for (let next = await bytes.next(); !next.done; next = await bytes.next());
    }
  } finally {
    await source.close();
  }
}

/** Splits a stream of bytes at marks. */
function cutter(chunks: AsyncIterable<Buffer>) {
  const source = chunks[Symbol.asyncIterator]();
  // Every boundary but the first has a line break before it; this one stands for the one that is missing.
  let held: Buffer = Buffer.from("\r\n");

  async function more(): Promise<void> {
    const next = await source.next();
    if (next.done) throw new BrokenForm("it ends within a part");
    held = held.length === 0 ? next.value : Buffer.concat([held, next.value]);
  }

  /** The bytes before a mark, which is consumed too; undefined where they exceed the limit of a head. */
  async function upTo(mark: Buffer): Promise<Buffer | undefined> {
    let at = held.indexOf(mark);
    for (; at === -1 && held.length <= mostHead; at = held.indexOf(mark)) await more();
    if (at === -1 || at > mostHead) return undefined;
    const before = held.subarray(0, at);
    held = held.subarray(at + mark.length);
    return before;
  }

  /** The bytes before a mark, of any length, piece by piece. The mark is consumed too. */
  async function* all(mark: Buffer): AsyncGenerator<Buffer> {
    for (;;) {
      const at = held.indexOf(mark);
      const end = at === -1 ? Math.max(0, held.length - mark.length + 1) : at;
      const piece = held.subarray(0, end);
      held = held.subarray(at === -1 ? end : end + mark.length);
      if (piece.length > 0) yield piece;
      if (at !== -1) return;
      await more();
    }
  }

  /** True after the last boundary. The line break behind any other is left unread, since a part without headers needs it for its empty line. */
  async function endsHere(): Promise<boolean> {
    while (held.length < 2) await more();
    if (held.toString("latin1", 0, 2) === "--") return true;
    while (/^[\t ]*\r?$/.test(held.toString("latin1", 0, mostHead)) && held.length < mostHead) await more();
    if (!/^[\t ]*\r\n/.test(held.toString("latin1", 0, mostHead)))
      throw new BrokenForm("something else follows its boundary on the same line");
    return false;
  }

  return { upTo, all, endsHere, close: () => source.return?.() };
}

async function* fromBase64(raw: AsyncIterableIterator<Buffer>, number: number): AsyncGenerator<Buffer> {
  const first = await raw.next();
  if (first.done) return;
  async function* text(): AsyncGenerator<Buffer> {
    yield first.value as Buffer;
    yield* raw;
  }
  try {
    yield* decodedBase64(standardBase64(text()));
  } catch (error) {
    throw error instanceof NotBase64 ? partError(number, "is not base64, as its content-transfer-encoding says", error) : error;
  }
}

async function* fromQuoted(raw: AsyncIterable<Buffer>, number: number): AsyncGenerator<Buffer> {
  let rest = "";
  for await (const chunk of raw) {
    const text = rest + chunk.toString("latin1");
    // The first half of an escape waits for the other half.
    rest = /=[\da-f]?\r?$/i.exec(text)?.[0] ?? "";
    yield unquoted(text.slice(0, text.length - rest.length));
  }
  if (rest !== "") yield unquoted(rest);

  function unquoted(text: string): Buffer {
    if (/=(?!\r?\n|[\da-f]{2})/i.test(text)) throw partError(number, "is not quoted-printable, as its content-transfer-encoding says");
    return fromHex(text.replace(/=\r?\n/g, ""), "=");
  }
}
