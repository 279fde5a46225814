// Keeps pictures in a bucket of S3, one object for each picture.
import { createHash, randomBytes } from "node:crypto";
import type { Readable } from "node:stream";
import type { Logger } from "pino";
import { chunksOf, headOf, sizeOf } from "../../picture/convert.ts";
import type { DiskState } from "../../picture/disk.ts";
import { longestPause } from "../../picture/folder-store.ts";
import { sniff, sniffBytes } from "../../picture/sniff.ts";
import type { Spool } from "../../picture/spool.ts";
import { NotStored, StoreAway, type PictureStore, type StoredData, type StoredPicture } from "../../picture/store.ts";
import type { S3Address } from "./address.ts";
import { createS3Client, type S3Client } from "./client.ts";
import { S3Failure } from "./failure.ts";
import { readObject } from "./read.ts";
import { endOf, sweepObjects } from "./sweep.ts";

interface Options {
  address: S3Address;
  /** Life of a picture where `save` names none, in seconds. */
  life: number;
  /** Holds a picture before it is stored, until its length and hash are known. */
  spool: Pick<Spool, "scope" | "disk">;
  log: Pick<Logger, "error" | "info" | "warn">;
  now?: () => number;
  /** Milliseconds before the second try of a call. */
  wait?: number;
}

/** Age at which the known state of the store in S3 is checked again by a write, in milliseconds: each check is a call that costs money. */
export const lookAgain = 10_000;

/** Life of a link to the store itself, in seconds: a client follows it at once, and a link that is passed on soon expires. */
export const linkLife = 300;

/**
 * Opens the store in a bucket. Rejects with an `S3Failure` whose message says what the operator has to set. A temporary outage of the store does
 * not keep it from being opened.
 *
 * An object is named by its picture's id, and an id begins with the time at which the picture expires. A list sorted by name is therefore sorted by
 * expiry, and a sweep reads only the part of the list that has expired.
 */
export async function openS3Store({ address, life, spool, log, wait, now = Date.now }: Options): Promise<PictureStore> {
  const client = createS3Client(address, { now: () => new Date(now()), wait });
  const standing = watchStore(client, log);
  await standing.probe().catch((error: unknown) => {
    if (!(error instanceof S3Failure && error.passes)) throw error;
  });

  async function save(chunks: AsyncIterable<Buffer>, ownLife = life, id = newId(now() + ownLife * 1000)): Promise<StoredPicture> {
    const scope = spool.scope();
    try {
      const hash = createHash("sha256");
      const data = await scope.take(hashed(chunks, hash), Infinity);
      const sha256 = hash.digest("hex");
      const mediaType = sniff(headOf(data))?.mediaType ?? "application/octet-stream";
      const expires = Math.min(now() + ownLife * 1000, endOf(id) ?? Infinity);
      const stored = { id, mediaType, bytes: sizeOf(data), expires, etag: `"${sha256}"` };
      await put(client, stored, {
        body: data.kind === "bytes" ? data.bytes : { length: data.size, chunks: () => chunksOf(data) },
        payload: sha256,
        maxAge: Math.floor(ownLife),
      }).catch((error: unknown) => {
        standing.failed(error);
        throw new NotStored(error);
      });
      standing.succeeded();
      return stored;
    } finally {
      await scope.close();
    }
  }

  async function find(id: string): Promise<StoredPicture | undefined> {
    if (endOf(id) === undefined) return undefined;
    const { status, headers } = await client.call({ method: "HEAD", key: id }).catch((error: unknown) => {
      throw new StoreAway(error);
    });
    const [expires, bytes] = [Number(headers["x-amz-meta-expires"]), Number(headers["content-length"])];
    // An object without this metadata was not written by a gateway.
    if (status === 404 || !(expires > now())) return undefined;
    return { id, mediaType: headers["content-type"] ?? "", bytes, expires, etag: `"${headers["x-amz-meta-sha256"] ?? ""}"` };
  }

  async function data(picture: StoredPicture): Promise<StoredData | undefined> {
    const found = await readObject(client, picture, { start: 0, end: Math.min(sniffBytes, picture.bytes) - 1 }).catch((error: unknown) => {
      if (error instanceof StoreAway) throw error;
      return undefined;
    });
    if (!found) return undefined;
    const head = Buffer.concat((await found.toArray()) as Buffer[]);
    const chunks = async function* () {
      yield* (await readObject(client, picture)) as AsyncIterable<Buffer>;
    };
    return { kind: "kept", size: picture.bytes, head, chunks };
  }

  const sweep = () => sweepObjects(client, address.prefix, now());
  let sweeping: Promise<unknown> = Promise.resolve();
  const timer = setInterval(
    () => {
      sweeping = sweep().catch((error: unknown) => log.warn({ err: error }, "expired pictures were not removed from the store"));
    },
    Math.max(1, Math.min(life, longestPause)) * 1000,
  ).unref();

  return {
    save,
    find,
    data,
    sweep,
    read: (picture, range): Promise<Readable> => readObject(client, picture, range),
    ...(address.redirect && {
      link: ({ id, expires }: StoredPicture) => client.presign(id, Math.max(1, Math.min(linkLife, Math.ceil((expires - now()) / 1000)))),
    }),
    disk: async (): Promise<DiskState> => ({ writable: await standing.isWritable(), freeBytes: (await spool.disk()).freeBytes }),
    settled: () => sweeping.then(() => undefined),
    close: async () => {
      clearInterval(timer);
      await sweeping;
    },
  };
}

/** An id that nobody can guess: the time at which its picture expires, in epoch seconds, and 144 random bits. */
function newId(expires: number): string {
  return (
    Math.ceil(expires / 1000)
      .toString(16)
      .padStart(8, "0") + randomBytes(18).toString("base64url")
  );
}

async function* hashed(chunks: AsyncIterable<Buffer>, hash: { update(chunk: Buffer): unknown }): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
}

interface Content {
  body: NonNullable<Parameters<S3Client["call"]>[0]["body"]>;
  payload: string;
  maxAge: number;
}

async function put(client: S3Client, { id, mediaType, expires, etag }: StoredPicture, { body, payload, maxAge }: Content): Promise<void> {
  const headers = {
    "content-type": mediaType,
    "cache-control": `public, max-age=${maxAge}, immutable`,
    "x-amz-meta-sha256": etag.slice(1, -1),
    "x-amz-meta-expires": String(Math.floor(expires)),
  };
  await client.text({ method: "PUT", key: id, headers, body, payload });
}

/** Keeps track of the store's state: writable or not. */
function watchStore(client: S3Client, log: Options["log"]) {
  let until = 0;
  let known: Promise<boolean> = Promise.resolve(true);
  let isAway = false;
  const note = (away: boolean, error?: unknown) => {
    until = performance.now() + lookAgain;
    known = Promise.resolve(!away);
    if (away && !isAway) log.error({ err: error }, "the store of pictures cannot be written; pictures go out without being stored");
    if (!away && isAway) log.info("the store of pictures is back");
    isAway = away;
  };
  const probe = async () => {
    try {
      await client.text({
        method: "PUT",
        key: "probe",
        body: Buffer.from("Pictor writes this object to check that the bucket is writable.\n"),
      });
      note(false);
    } catch (error) {
      note(true, error);
      throw error;
    }
  };
  return {
    probe,
    succeeded: () => note(false),
    failed: (error: unknown) => note(true, error),
    isWritable: (): Promise<boolean> => {
      if (performance.now() < until) return known;
      until = performance.now() + lookAgain;
      return (known = probe().then(
        () => true,
        () => false,
      ));
    },
  };
}
