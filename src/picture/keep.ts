// Keeps one picture in memory, or in a file if it is large or memory is short. If the disk refuses it, it goes back into memory.
import { rm, type FileHandle } from "node:fs/promises";
import { GatewayError } from "../errors.ts";
import { createWriter, type Writer } from "./disk.ts";
import { over, type Account } from "./memory.ts";
import type { PictureData } from "./picture.ts";
import { gather } from "./pieces.ts";
import { sniffBytes } from "./sniff.ts";

/** A whole picture: in memory, or in a file that goes away with its request. */
export type KeptData = Extract<PictureData, { kind: "bytes" | "file" }>;

/** Thrown for a source with more bytes than are accepted. */
export class TooLarge extends Error {
  constructor(limit: number) {
    super(`larger than the ${limit} bytes that are accepted`);
    this.name = "TooLarge";
  }
}

/** Wait that a client is asked for when there is no room for its pictures, in seconds: other pictures are delivered meanwhile. */
export const untilRoom = 30;

/** The error for the client when neither the disk nor memory has room. */
export function full(cause?: unknown): GatewayError {
  const message = "the gateway has no room for pictures at the moment; nothing was ordered, try again later";
  return new GatewayError("insufficient_storage", message, { retryAfter: untilRoom, cause });
}

/** The places where a picture may be kept. */
export interface Storage {
  account: Account;
  /** True where so many more bytes are within the limit of memory. */
  fits: (bytes: number) => boolean;
  /** Opens a new file, which goes away with the request. */
  create: () => Promise<{ path: string; handle: FileHandle }>;
  /** Bytes beyond which a picture becomes a file at once. */
  largest: number;
  /** True where a picture that the disk refuses is held in memory even beyond its limit. */
  mayExceed: boolean;
}

/** Reads everything. Rejects with `TooLarge` beyond `limit` bytes, with the source's own error, or with `full`; after a rejection nothing is kept. */
export async function keep(chunks: AsyncIterable<Buffer>, limit: number, storage: Storage): Promise<KeptData> {
  const keeping = createKeeping(storage);
  let head: Buffer = Buffer.alloc(0);
  let size = 0;
  try {
    for await (const chunk of chunks) {
      size += chunk.length;
      if (size > limit) throw new TooLarge(limit);
      if (head.length < sniffBytes) head = Buffer.concat([head, chunk.subarray(0, sniffBytes - head.length)]);
      await keeping.add(chunk);
    }
    const kept = await keeping.end();
    return typeof kept === "string" ? { kind: "file", path: kept, size, head } : { kind: "bytes", bytes: kept };
  } catch (error) {
    await keeping.discard();
    throw error;
  } finally {
    await keeping.close();
  }
}

/** A picture that is being kept. */
function createKeeping({ account, fits, create, largest, mayExceed }: Storage) {
  const pieces: Buffer[] = [];
  let file: { path: string; handle: FileHandle; writer: Writer } | undefined;
  let [size, inMemory] = [0, 0];
  let isRefused = false;

  function remember(bytes: number, cause?: unknown): void {
    if (isRefused && !mayExceed && !fits(bytes)) throw full(cause);
    account.use(bytes);
    inMemory += bytes;
  }

  function forget(): void {
    account.giveBack(inMemory);
    inMemory = 0;
  }

  /** Writes to the disk. If the disk refuses, the picture is held in memory from then on. */
  async function orRemember(write: () => Promise<void>): Promise<void> {
    if (account.isClosed()) throw over();
    try {
      await write();
    } catch (error) {
      isRefused = true;
      if (file) pieces.push(await takeBack(file).finally(() => (file = undefined)));
      remember(size - inMemory, error);
    }
  }

  async function moveToFile(): Promise<void> {
    const created = await create();
    file = { ...created, writer: createWriter(created.handle) };
    forget();
    await file.writer.write(pieces.splice(0));
  }

  return {
    add: async (chunk: Buffer): Promise<void> => {
      size += chunk.length;
      if (file) {
        const { writer } = file;
        await orRemember(() => writer.write([chunk]));
        return;
      }
      gather(pieces, chunk);
      if (!isRefused && (size > largest || (size > sniffBytes && !fits(chunk.length)))) await orRemember(moveToFile);
      else remember(chunk.length);
    },
    /** The path of the file, or the bytes. */
    end: async (): Promise<string | Buffer> => {
      const { writer } = file ?? {};
      if (writer) await orRemember(() => writer.end());
      return file?.path ?? Buffer.concat(pieces, size);
    },
    /** Frees the memory and removes the file. */
    discard: async (): Promise<void> => {
      forget();
      if (file) await rm(file.path, { force: true });
    },
    close: async (): Promise<void> => {
      await file?.handle.close();
      if (file && account.isClosed()) await rm(file.path, { force: true });
    },
  };
}

/** Bring a file's bytes back into memory, and remove it. */
async function takeBack({ path, handle, writer }: { path: string; handle: FileHandle; writer: Writer }): Promise<Buffer> {
  try {
    return await writer.takeBack();
  } finally {
    await handle.close();
    await rm(path, { force: true }).catch(() => undefined);
  }
}
