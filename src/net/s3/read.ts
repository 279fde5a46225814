// Reads an object of a store in S3, and resumes after a broken connection.
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { noPicture, StoreAway, type ByteRange, type StoredPicture } from "../../picture/store.ts";
import { bodyOf, type IncomingAnswer } from "../send.ts";
import type { S3Client } from "./client.ts";
import { S3Failure } from "./failure.ts";

/** Times that the reading of a stored picture is resumed without progress: after them the store is taken to be away. */
export const mostResumed = 3;

/** Silence of the store within a picture after which a new connection is opened, in milliseconds: a slow client causes such silence too. */
export const readSilence = 30_000;

/**
 * The bytes of a picture, or a range of them. Rejects with a 404 for a picture that is gone, or with `StoreAway`. When the whole picture is read,
 * its hash is checked before its last bytes are passed on, so that the client of a damaged picture sees a broken connection.
 */
export async function readObject(client: S3Client, picture: StoredPicture, range?: ByteRange): Promise<Readable> {
  const wanted = range ?? { start: 0, end: picture.bytes - 1 };
  const first = await begin(client, picture, wanted);
  const stream = Readable.from(bytesOf(client, picture, wanted, first), { objectMode: false });
  // A generator that never started runs no `finally`: without this line an unread picture would keep its connection open.
  stream.once("close", () => first.body.destroy());
  return stream;
}

async function begin(client: S3Client, { id, bytes }: StoredPicture, { start, end }: ByteRange): Promise<IncomingAnswer> {
  const isWhole = start === 0 && end === bytes - 1;
  const headers: Record<string, string> = isWhole ? {} : { range: `bytes=${start}-${end}` };
  const answer = await client.call({ method: "GET", key: id, headers }).catch((error: unknown) => {
    throw error instanceof S3Failure ? new StoreAway(error) : error;
  });
  if (answer.status === (isWhole ? 200 : 206)) return answer;
  answer.body.destroy();
  if (answer.status === 404) throw noPicture();
  throw new StoreAway(new Error(`the store answered with status ${answer.status} where a range was wanted`));
}

async function* bytesOf(
  client: S3Client,
  picture: StoredPicture,
  { start, end }: ByteRange,
  first: IncomingAnswer,
): AsyncGenerator<Buffer> {
  const hash = createHash("sha256");
  const isWhole = start === 0 && end === picture.bytes - 1;
  let answer = first;
  let held: Buffer | undefined;
  let at = start;
  for (let tried = 0; at <= end;) {
    const from = at;
    const silent = setTimeout(() => answer.body.destroy(new Error("the store fell silent")), readSilence);
    try {
      for await (const chunk of bodyOf(answer, end - at + 1, new AbortController().signal)) {
        silent.refresh();
        at += chunk.length;
        hash.update(chunk);
        if (held) yield held;
        held = chunk;
      }
      if (at <= end) throw new Error(`the store sent ${at - start} of ${end - start + 1} bytes`);
    } catch (error) {
      tried = at > from ? 1 : tried + 1;
      if (tried > mostResumed) throw new StoreAway(error);
      if (at <= end) answer = await begin(client, picture, { start: at, end });
    } finally {
      clearTimeout(silent);
    }
  }
  if (isWhole && `"${hash.digest("hex")}"` !== picture.etag)
    throw new StoreAway(new Error("the stored picture is damaged: it has another SHA-256"));
  if (held) yield held;
}
