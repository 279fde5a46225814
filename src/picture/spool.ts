// Holds the pictures of requests until the requests are answered: a bounded part in memory, the rest in files.
import { randomBytes } from "node:crypto";
import { open, mkdir, readdir, rm, stat, type FileHandle } from "node:fs/promises";
import { totalmem } from "node:os";
import { join, resolve } from "node:path";
import { createBacklog, type Backlog } from "./backlog.ts";
import { watchDisk, type DiskState } from "./disk.ts";
import { keep, type KeptData } from "./keep.ts";
import { createMemory } from "./memory.ts";

/** The pictures that a process holds for its requests: a bounded number of bytes in memory, the rest in files. */
export interface Spool {
  /** Opens the scope of one request. It must be closed when the request ends, also after a failure. */
  scope(): SpoolScope;
  /** True if this many more bytes would fit into memory. */
  hasRoom(bytes: number): boolean;
  /** The state of the disk that holds the files. Never rejects. */
  disk(): Promise<DiskState>;
  /** Resolves when the files that earlier processes left behind are removed. */
  close(): Promise<void>;
}

/** The pictures that one request holds. */
export interface SpoolScope {
  /**
   * Reads everything. Rejects with `TooLarge` beyond `limit` bytes, or with the source's own error; then nothing is kept. If the disk is full,
   * read-only or gone, the picture is held in memory, even beyond the memory limit: it may have been paid for.
   */
  take(chunks: AsyncIterable<Buffer>, limit: number): Promise<KeptData>;
  /** As `take`, for pictures that come before an order: if neither the disk nor memory has room, it rejects with a 507. */
  inputs: { take: SpoolScope["take"] };
  /**
   * Waits in the queue until this many bytes of memory are free, and holds them until the scope closes. A request that holds some already gets
   * more at once, since it might otherwise wait for itself. Rejects with the signal's reason.
   */
  room(bytes: number, signal: AbortSignal): Promise<void>;
  /** Gives back this many of the bytes got with `room`, before the scope closes. */
  free(bytes: number): void;
  /** Opens a backlog, for a picture that is read ahead of a slow reader. It must be closed before the scope. */
  backlog(): Backlog;
  /** Gives everything back: memory and files. */
  close(): Promise<void>;
}

/** A spool for requests that hold no picture. */
export const noSpool: Pick<SpoolScope, "take" | "room"> = {
  take: () => Promise.reject(new Error("nothing is held here")),
  room: () => Promise.resolve(),
};

/** Memory that is counted for a picture that only passes through, in bytes: its share of the buffers of the sockets and of the steps between. */
export const passingRoom = 1024 * 1024;

/** Age from which a file of the spool is removed, in milliseconds: a process that is gone has left it behind. */
export const longestRequest = 60 * 60 * 1000;

/** Largest picture that is held in memory, in bytes: a larger one is written to a file at once. */
export const largestInMemory = 4 * 1024 * 1024;

/** A quarter of the memory that the process may use, in bytes. */
export function memoryShare(): number {
  // Without a limit `constrainedMemory` is absent, zero, or more than the machine has.
  return Math.floor(Math.min(process.constrainedMemory() || Infinity, totalmem()) / 4);
}

/**
 * Makes the spool of a process. `folder` holds its files and may be shared by processes. `memory` bounds the bytes that all requests hold in memory.
 * A picture of more than `largest` bytes is written to a file at once.
 */
export function createSpool(options: { folder: string; memory?: number; largest?: number }): Spool {
  const { largest = largestInMemory } = options;
  const folder = resolve(options.folder);
  const memory = createMemory(options.memory ?? memoryShare());
  const swept = sweep(folder).catch(() => undefined); // If the folder cannot be read, the first write reports it.

  function scope(): SpoolScope {
    const account = memory.account();
    const files = createFiles(folder);
    const storage = { account, fits: memory.fits, create: files.create, largest };
    return {
      take: (chunks, limit) => keep(chunks, limit, { ...storage, mayExceed: true }),
      inputs: { take: (chunks, limit) => keep(chunks, limit, { ...storage, mayExceed: false }) },
      room: account.room,
      free: account.giveBack,
      backlog: () => createBacklog(async () => (await files.create()).handle),
      close: async () => {
        account.close();
        await files.remove();
      },
    };
  }

  return { scope, hasRoom: memory.fits, disk: watchDisk(folder), close: () => swept };
}

/** The files of one request. */
function createFiles(folder: string) {
  const paths = new Set<string>();
  return {
    create: async (): Promise<{ path: string; handle: FileHandle }> => {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const path = join(folder, randomBytes(12).toString("hex"));
      paths.add(path);
      return { path, handle: await open(path, "wx+", 0o600) };
    },
    // A file that cannot be removed now, for example on a read-only disk, is removed by a later sweep.
    remove: async (): Promise<void> => {
      await Promise.allSettled([...paths].map((path) => rm(path, { force: true })));
    },
  };
}

/** Removes the files that earlier processes left behind. */
async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if ((await stat(path)).mtimeMs + longestRequest < Date.now()) await rm(path, { force: true });
  }
}
