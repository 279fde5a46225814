// Passes on a picture that is still arriving.
import { Readable } from "node:stream";
import { ProviderFailure } from "../errors.ts";
import { decodedBase64, guessHead, NotBase64, prefixOf, standardBase64 } from "./base64.ts";
import { CutPicture, untilItsEnd } from "./cut.ts";
import { LongText, type Sink } from "./lift.ts";
import type { PictureData } from "./picture.ts";
import { TooLarge, type KeptData } from "./keep.ts";
import type { SpoolScope } from "./spool.ts";
import { sniff, sniffInput } from "./sniff.ts";

type Arriving = Extract<PictureData, { kind: "stream" }>;

/**
 * Is offered a picture that is still arriving, and the document read so far. Returns true to take it, false if the picture must be complete
 * first.
 */
export type Taker = (data: Arriving, soFar: (value: unknown) => unknown) => boolean;

/** Limits for a document's long texts, where its writer is not trusted. */
export interface Keeping {
  /** Bytes of one text. */
  limit: number;
  /** Bytes of a text that is not a picture; `limit` when omitted. A longer text is dropped. */
  words?: number;
  /** Number of texts that are kept; further ones are dropped. All are kept when omitted. */
  most?: number;
  /** Requires pictures to be complete. */
  whole?: boolean;
  taker?: Taker;
}

/**
 * Stores a document's long texts in the spool: the base64 of a picture is decoded as it arrives, and any other text is kept as it is. The first
 * picture is offered to `taker`, which may read it while it arrives.
 */
export function keepTexts(spool: Pick<SpoolScope, "take">, signal: AbortSignal, keeping: Keeping): Sink {
  const { limit, words = limit, most = Infinity, whole: mustEnd = false, taker } = keeping;
  let offered = taker === undefined;
  let left = most;
  return async (text, soFar) => {
    if (left === 0) return new LongText({});
    left -= 1;
    const { value: beginning } = (await text.next()) as { value: Buffer };
    const head = guessHead(beginning);
    const whole = joined(beginning, text);
    // A provider's pictures (`mustEnd`) may be of fewer types than a client's.
    if (!(mustEnd ? sniff : sniffInput)(head)) return new LongText({ text: await unlessLonger(spool.take(whole, words), words < limit) });
    const spelled = standardBase64(whole);
    const standard = mustEnd ? untilItsEnd(spelled, "base64") : spelled;
    if (taker && !offered) {
      offered = true;
      const { picture, ended } = arriving(head, standard);
      if (taker(picture, soFar)) {
        await Promise.race([ended, readAway(picture, signal)]);
        return new LongText({ picture });
      }
    }
    try {
      return new LongText({ picture: await spool.take(decodedBase64(standard), limit), prefix: prefixOf(beginning) });
    } catch (error) {
      if (error instanceof NotBase64 || error instanceof CutPicture) return new LongText({ cut: error instanceof CutPicture });
      throw error;
    }
  };
}

async function unlessLonger(kept: Promise<KeptData>, mayBe: boolean): Promise<KeptData | undefined> {
  try {
    return await kept;
  } catch (error) {
    if (mayBe && error instanceof TooLarge) return undefined;
    throw error;
  }
}

/** A picture that is read while its text arrives. `ended` resolves once the text has been read, or will be read no further. */
function arriving(head: Buffer, standard: AsyncIterable<Buffer>): { picture: Arriving; ended: Promise<void> } {
  let end: () => void;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const chunks = toItsEnd(standard, () => end());
  const stream = Readable.from(toItsEnd(after(head.length, decodedBase64(chunks))));
  return { picture: { kind: "stream", head, ascii: chunks, stream }, ended };
}

/** The picture of an answer that is itself a picture. `head` holds its first bytes, `whole` all of them. */
export function arrivingBytes(head: Buffer, whole: AsyncIterable<Buffer>): Arriving {
  return { kind: "stream", head, stream: Readable.from(after(head.length, toItsEnd(untilItsEnd(whole, "bytes")))) };
}

async function* toItsEnd(chunks: AsyncIterable<Buffer>, ended?: () => void): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of chunks) yield chunk;
  } catch (error) {
    if (error instanceof NotBase64) throw new ProviderFailure("bad_response", "the provider's picture is not base64 to its end");
    throw error instanceof CutPicture ? new ProviderFailure("bad_response", error.message) : error;
  } finally {
    ended?.();
  }
}

async function* after(skipped: number, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let left = skipped;
  for await (const chunk of chunks) {
    if (left < chunk.length) yield left > 0 ? chunk.subarray(left) : chunk;
    left = Math.max(0, left - chunk.length);
  }
}

/** Resolves when the picture has been read by its reader, or its stream was destroyed. */
export async function readAway({ stream }: Arriving, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const leave = () => stream.destroy(signal.reason as Error);
    // Its reader gets the error; an error without a reader must not end the process.
    stream
      .on("error", () => undefined)
      .once("close", () => {
        signal.removeEventListener("abort", leave);
        resolve();
      });
    if (signal.aborted) leave();
    else signal.addEventListener("abort", leave);
  });
}

/** Puts back a beginning that was already read, in front of the rest. */
export function joined(beginning: Buffer, rest: AsyncIterator<Buffer>): AsyncIterableIterator<Buffer> {
  let begun = false;
  const whole: AsyncIterableIterator<Buffer> = {
    next: () => {
      if (begun) return rest.next();
      begun = true;
      return Promise.resolve({ value: beginning });
    },
    return: async () => {
      await rest.return?.();
      return { value: undefined, done: true };
    },
    [Symbol.asyncIterator]: () => whole,
  };
  return whole;
}
