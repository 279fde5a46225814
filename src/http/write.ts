// Writes answers no faster than they are read.
import type { ServerResponse } from "node:http";

/** Takes a piece of an answer; a promise says when there is room for the next. */
export type Put = (chunk: string | Buffer) => Promise<void> | undefined;

/**
 * Writes to an answer no faster than its client reads. Waiting rejects with the signal's reason once it aborts, or with the answer's error.
 * A single listener serves all waits of an answer: a listener for each wait costs more than the rest of writing a large picture.
 */
export function putInto(answer: ServerResponse, signal: AbortSignal): Put {
  let waiting: { resolve: () => void; reject: (reason: unknown) => void } | undefined;
  answer.on("drain", () => waiting?.resolve());
  answer.on("error", (error) => waiting?.reject(error));
  signal.addEventListener("abort", () => waiting?.reject(signal.reason), { once: true });
  const put: Put = (chunk) => {
    if (typeof chunk !== "string" && chunk.length > largest) return inPieces(chunk, put);
    // A closed answer takes nothing either, and its signal has aborted, or is about to.
    if (answer.write(chunk)) return undefined;
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      waiting = { resolve, reject };
    });
  };
  return put;
}

/** Bytes at once: only where a piece ends can a slow reader be distinguished from one that does not read. */
const largest = 65_536;

async function inPieces(chunk: Buffer, put: Put): Promise<void> {
  for (let at = 0; at < chunk.length; at += largest) await put(chunk.subarray(at, at + largest));
}

/** Write chunks one by one, as the client takes them. */
export async function writeAll(chunks: AsyncIterable<Buffer>, put: Put): Promise<void> {
  for await (const chunk of chunks) await put(chunk);
}
