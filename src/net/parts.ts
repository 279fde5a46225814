// Reads multipart bodies that come from providers or were written by the gateway itself, not by clients.
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import busboy from "@fastify/busboy";

/** The head of a part. A text has no file name. */
export interface PartHead {
  name: string;
  fileName?: string;
  type: string;
}

/** Parts that a provider's multipart answer may have: no answer has nearly as many. */
export const most = 1000;

/**
 * Reads a multipart body as it arrives. `read` is called with each part and must read its content to the end. Resolves with the results of
 * `read`, in order. Rejects with an Error for a broken body, or with the error of `read` or of the body.
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
  ended.catch(() => undefined); // The error is thrown below, unless the body fails first.
  // In an executor, since the parser may also throw synchronously while data is written to it.
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

/** The parts of a complete multipart body. Rejects with an Error for a broken one. */
export function partsOf(body: Buffer, type: string): Promise<(PartHead & { content: Buffer })[]> {
  return readParts([body], type, async (head, content) => ({ ...head, content: await buffer(content) }));
}
