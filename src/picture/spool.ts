import { randomBytes } from "node:crypto";
import { open, mkdir, readdir, rm, stat, type FileHandle } from "node:fs/promises";
import { totalmem } from "node:os";
import { join, resolve } from "node:path";
import { GatewayError } from "../errors.ts";
import { createBacklog, type Backlog } from "./backlog.ts";
import { createWriter, type Writer } from "./disk.ts";
import type { PictureData } from "./picture.ts";
import { gather } from "./pieces.ts";
import { sniffBytes } from "./sniff.ts";

/** Bytes that are here whole: in memory, or in a file that goes away with its request. */
export type KeptData = Extract<PictureData, { kind: "bytes" | "file" }>;

/** What a process holds of its requests' pictures, bounded: so many bytes in memory, the rest in files. */
export interface Spool {
  /** What one request holds. It must be closed when the request ends, whatever became of it. */
  scope(): SpoolScope;
  /** Whether so many more bytes would be held in memory. */
  hasRoom(bytes: number): boolean;
  /** Waits until what earlier processes left behind is removed. */
  close(): Promise<void>;
}

export interface SpoolScope {
  /**
   * Reads everything. Rejects with `TooLarge` beyond `limit` bytes, or with the source's own error; then nothing is kept. What a disk that is
   * full, read-only or gone does not take is held in memory, even beyond what the process has for it: it may have been paid for.
   */
  take(chunks: AsyncIterable<Buffer>, limit: number): Promise<KeptData>;
  /** The same for what comes before an order: where the disk does not take it and memory has no room, that is refused with a 507. */
  inputs: { take: SpoolScope["take"] };
  /**
   * Waits, in order, until so many bytes of memory are free, and has them until the scope closes. A request that has some
   * already gets more at once, since it could be waiting for itself. Rejects with the signal's reason.
   */
  room(bytes: number, signal: AbortSignal): Promise<void>;
  /** Gives so many bytes of that back, where they are not needed until the end. */
  free(bytes: number): void;
  /** What is read ahead of somebody slow. It must be closed before the scope. */
  backlog(): Backlog;
  /** Gives everything back: memory and files. */
  close(): Promise<void>;
}

/** More came than may. */
export class TooLarge extends Error {
  constructor(limit: number) {
    super(`larger than the ${limit} bytes that are accepted`);
    this.name = "TooLarge";
  }
}

/** Bytes of memory that a picture takes which only passes: what the sockets and the steps between them hold of it. */
export const passingRoom = 1024 * 1024;

/** Files older than this, in milliseconds, were left behind by a process that is gone. */
const longestRequest = 60 * 60 * 1000;

/** A quarter of the memory that the process may have, in bytes. */
export function memoryShare(): number {
  // Without a limit the first is absent, zero, or more than there is.
  return Math.floor(Math.min(process.constrainedMemory() || Infinity, totalmem()) / 4);
}

/**
 * Makes the spool of a process. `folder` is for its files and may be shared by processes; `memory` bounds the bytes of all
 * requests in memory; what is larger than `largest` bytes becomes a file at once.
 */
export function createSpool(options: { folder: string; memory?: number; largest?: number }): Spool {
  const { memory = memoryShare(), largest = 4 * 1024 * 1024 } = options;
  const folder = resolve(options.folder);
  const waiting: { bytes: number; enter: () => void }[] = [];
  let used = 0;

  const fits = (bytes: number) => used === 0 || used + bytes <= memory;
  const free = (bytes: number) => {
    used -= bytes;
    for (let next = waiting[0]; next && fits(next.bytes); next = waiting[0]) {
      waiting.shift();
      next.enter();
    }
  };
  const swept = sweep(folder).catch(() => undefined); // A folder that cannot be read shows when something is written.

  function scope(): SpoolScope {
    const files = new Set<string>();
    let held = 0;
    let closed = false;
    const hold = (bytes: number) => {
      if (closed) throw over();
      used += bytes;
      held += bytes;
    };
    const giveBack = (bytes: number) => {
      const given = Math.min(bytes, held);
      held -= given;
      free(given);
    };

    async function create(): Promise<{ path: string; handle: FileHandle; writer: Writer }> {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const path = join(folder, randomBytes(12).toString("hex"));
      files.add(path);
      const handle = await open(path, "wx+", 0o600);
      return { path, handle, writer: createWriter(handle) };
    }

    async function take(chunks: AsyncIterable<Buffer>, limit: number, ordered = true): Promise<KeptData> {
      const pieces: Buffer[] = [];
      let file: Awaited<ReturnType<typeof create>> | undefined;
      let head: Buffer = Buffer.alloc(0);
      let [size, mine] = [0, 0];
      const disk = { refused: false };
      const remember = (bytes: number, cause?: unknown) => {
        if (disk.refused && !ordered && !fits(bytes)) throw full(cause);
        hold(bytes);
        mine += bytes;
      };
      /** What the disk refused is held in memory from then on. */
      const orRemember = async (write: () => Promise<void>) => {
        if (closed) throw over();
        await write().catch(async (error: unknown) => {
          disk.refused = true;
          const written = file;
          file = undefined;
          if (!written) {
            remember(size - mine, error);
            return;
          }
          try {
            pieces.push(await written.writer.takeBack());
          } finally {
            await written.handle.close();
            await rm(written.path, { force: true }).catch(() => undefined);
          }
          remember(size, error);
        });
      };
      try {
        for await (const chunk of chunks) {
          size += chunk.length;
          if (size > limit) throw new TooLarge(limit);
          if (head.length < sniffBytes) head = Buffer.concat([head, chunk.subarray(0, sniffBytes - head.length)]);
          if (file) {
            const { writer } = file;
            await orRemember(() => writer.write([chunk]));
            continue;
          }
          gather(pieces, chunk);
          if (!disk.refused && (size > largest || (size > sniffBytes && !fits(chunk.length)))) {
            await orRemember(async () => {
              file = await create();
              giveBack(mine);
              mine = 0;
              await file.writer.write(pieces.splice(0));
            });
          } else remember(chunk.length);
        }
        const { path, writer } = file ?? {};
        if (writer) await orRemember(() => writer.end());
        return path && file ? { kind: "file", path, size, head } : { kind: "bytes", bytes: Buffer.concat(pieces, size) };
      } catch (error) {
        giveBack(mine);
        if (file) await rm(file.path, { force: true });
        throw error;
      } finally {
        await file?.handle.close();
        if (file && closed) await rm(file.path, { force: true });
      }
    }

    async function room(bytes: number, signal: AbortSignal): Promise<void> {
      signal.throwIfAborted();
      if (held === 0 && (waiting.length > 0 || !fits(bytes))) await turn(bytes, signal);
      else hold(bytes);
    }

    /** Resolves once the bytes are held. */
    function turn(bytes: number, signal: AbortSignal): Promise<void> {
      return new Promise((done, fail) => {
        const leave = () => {
          waiting.splice(waiting.indexOf(entry), 1);
          free(0);
          fail(signal.reason as Error);
        };
        const entry = {
          bytes,
          enter: () => {
            signal.removeEventListener("abort", leave);
            // Who gave the room back is another request, and must not hear that this one is over.
            if (closed) {
              fail(over());
              return;
            }
            hold(bytes);
            done();
          },
        };
        signal.addEventListener("abort", leave, { once: true });
        waiting.push(entry);
      });
    }

    async function close(): Promise<void> {
      closed = true;
      giveBack(held);
      // What a disk that became read-only keeps is swept later.
      await Promise.allSettled([...files].map((path) => rm(path, { force: true })));
    }

    const backlog = () => createBacklog(async () => (await create()).handle);

    return { take, inputs: { take: (chunks, limit) => take(chunks, limit, false) }, room, free: giveBack, backlog, close };
  }

  return { scope, hasRoom: fits, close: () => swept };
}

function over(): Error {
  return new Error("the request is over");
}

/** Nothing more can be held: no disk, no memory. */
export function full(cause?: unknown): GatewayError {
  return new GatewayError(
    "insufficient_storage",
    "the gateway has no room for pictures at the moment; nothing was ordered, try again later",
    {
      retryAfter: 30,
      cause,
    },
  );
}

async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if ((await stat(path)).mtimeMs + longestRequest < Date.now()) await rm(path, { force: true });
  }
}
