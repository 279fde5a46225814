import { Readable } from "node:stream";
import { ProviderFailure } from "../errors.ts";
import { decodedBase64, guessHead, NotBase64, prefixOf, standardBase64 } from "./base64.ts";
import { LongText, type Sink } from "./lift.ts";
import type { PictureData } from "./picture.ts";
import type { SpoolScope } from "./spool.ts";
import { sniff } from "./sniff.ts";

type Arriving = Extract<PictureData, { kind: "stream" }>;

/** Takes a picture that is still arriving, with what the document is so far; false when it must be whole first. */
export type Taker = (data: Arriving, soFar: (value: unknown) => unknown) => boolean;

/**
 * What becomes of a document's long texts: a picture's base64 is decoded as it arrives, any other text is kept as it is, both by the
 * spool and at most `limit` bytes. The first picture is offered to `taker`, who may read it from the wire.
 */
export function keepTexts(spool: Pick<SpoolScope, "take">, limit: number, signal: AbortSignal, taker?: Taker): Sink {
  let offered = taker === undefined;
  return async (text, soFar) => {
    const { value: beginning } = (await text.next()) as { value: Buffer };
    const head = guessHead(beginning);
    const whole = joined(beginning, text);
    if (!sniff(head)) return new LongText({ text: await spool.take(whole, limit) });
    const standard = standardBase64(whole);
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
      if (error instanceof NotBase64) return new LongText({});
      throw error;
    }
  };
}

/** `ended` resolves once the text of the picture has been read, or will not be read further. */
function arriving(head: Buffer, standard: AsyncIterable<Buffer>): { picture: Arriving; ended: Promise<void> } {
  let end: () => void;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const chunks = toItsEnd(standard, () => end());
  const stream = Readable.from(toItsEnd(after(head.length, decodedBase64(chunks))));
  return { picture: { kind: "stream", head, ascii: chunks, stream }, ended };
}

async function* toItsEnd(chunks: AsyncIterable<Buffer>, ended?: () => void): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of chunks) yield chunk;
  } catch (error) {
    throw error instanceof NotBase64 ? new ProviderFailure("bad_response", "the provider's picture is not base64 to its end") : error;
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

/** Resolves when somebody has read a picture, or will not. */
export async function readAway({ stream }: Arriving, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const leave = () => stream.destroy(signal.reason as Error);
    // Its reader is told what went wrong; nobody reading must not end the process.
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

/** A beginning that was looked at already, and what comes after it. */
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
