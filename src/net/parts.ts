// Reads multipart bodies that are no client's: providers' answers, and what the gateway itself has written.
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import busboy from "@fastify/busboy";

/** The head of a part. A text has no file name. */
export interface PartHead {
  name: string;
  fileName?: string;
  type: string;
}

/** Parts of a provider's multipart answer: no answer has nearly as many. */
export const most = 1000;

/**
 * Read a multipart body as it arrives. `read` gets the content of each part, which must be read to its end. Resolves with what it made of
 * them, in order; rejects with an Error for a body that is broken, or with what `read` or the body fails with.
 */
export async function readParts<T>(
  body: AsyncIterable<Buffer> | Iterable<Buffer>,
  type: string,
  read: (head: PartHead, content: Readable) => Promise<T>,
): Promise<T[]> {
  const parser = new busboy.Busboy({
    headers: { "content-type": type },
    limits: { parts: most, headerPairs: 100 },
    isPartAFile: () => true,
  });
  const parts: Promise<T>[] = [];
  const contents: Readable[] = [];
  const ended = new Promise<void>((resolve, reject) => {
    parser.once("finish", resolve).on("error", reject);
    parser.on("file", (...file) => {
      const [name, content, fileName, , kind] = file as [string | undefined, (typeof file)[1], string | undefined, string, string];
      contents.push(content);
      const part = read({ name: name ?? "", fileName, type: kind }, content);
      part.catch(reject);
      parts.push(part);
    });
  });
  ended.catch(() => undefined); // It is heard below, if the body does not fail first.
  // The parser throws synchronously, while data is written to it.
  const write = (chunk: Buffer) =>
    new Promise<void>((resolve, reject) => parser.write(chunk, (error?: Error | null) => (error ? reject(error) : resolve())));
  try {
    for await (const chunk of body) await Promise.race([write(chunk), ended]);
    parser.end();
    await ended;
    return await Promise.all(parts);
  } finally {
    for (const content of contents) content.on("error", () => undefined).destroy();
    parser.destroy();
  }
}

/** The parts of a multipart body that is here whole. Rejects with an Error for one that is broken. */
export function partsOf(body: Buffer, type: string): Promise<(PartHead & { content: Buffer })[]> {
  return readParts([body], type, async (head, content) => ({ ...head, content: await buffer(content) }));
}
