// Writes files, reads them back into memory where the disk refuses more, and reports the state of the disk.
import { mkdir, rm, statfs, writeFile, type FileHandle } from "node:fs/promises";
import { join } from "node:path";

/** Bytes written to the disk at a time: each write costs a switch to another thread and back. */
const batch = 512 * 1024;

/** Writes to a file, several chunks at a time. While one write is under way, the next chunks are collected. */
export interface Writer {
  /** Keeps the chunk, and resolves when there is room for more. */
  write(chunks: readonly Buffer[]): Promise<void>;
  /** Resolves when everything is written. */
  end(): Promise<void>;
  /** All bytes that were passed to `write`, for use after the disk has refused some: the written ones are read back from the file. */
  takeBack(): Promise<Buffer>;
}

/** Writes to a file from its beginning. For `takeBack` the file must be open for reading too. */
export function createWriter(handle: FileHandle): Writer {
  let pieces: Buffer[] = [];
  let given: Buffer[] = [];
  let pending = 0;
  let [written, refused] = [0, 0];
  let writing: Promise<unknown> = Promise.resolve();
  const flush = async () => {
    await writing;
    const due = pending;
    [given, pieces, pending] = [pieces, [], 0];
    refused = due;
    // A disk that fills up takes only a part of the bytes, and reports an error only at the next write.
    writing = handle.writev(given).then(({ bytesWritten }) => {
      written += bytesWritten;
      refused = due - bytesWritten;
      if (refused > 0) throw new Error(`the disk took ${bytesWritten} of ${due} bytes`);
    });
    writing.catch(() => undefined); // The next flush, or the end, reports it.
  };
  return {
    write: async (chunks) => {
      for (const chunk of chunks) pending += chunk.length;
      pieces.push(...chunks);
      if (pending >= batch) await flush();
    },
    end: async () => {
      await flush();
      await writing;
    },
    takeBack: async () => {
      await writing.catch(() => undefined);
      const whole = Buffer.allocUnsafeSlow(written + refused + pending);
      for (let at = 0; at < written;) {
        const { bytesRead } = await handle.read(whole, at, written - at, at);
        if (bytesRead === 0) throw new Error(`the disk gave ${at} of ${written} bytes back`);
        at += bytesRead;
      }
      const last = Buffer.concat(given);
      last.copy(whole, written, last.length - refused);
      Buffer.concat(pieces).copy(whole, written + refused);
      return whole;
    },
  };
}

/** The state of the disk that a folder is on. */
export interface DiskState {
  /** True where a small file could be written just now. */
  writable: boolean;
  /** Bytes that are free for this process; 0 where that is unknown. */
  freeBytes: number;
}

/** Age at which the known state of the disk is checked again, in milliseconds: every order asks for it. */
export const fresh = 1000;

/** Checks the disk of a folder by writing a file, at most once a second however often it is called. Never rejects. */
export function watchDisk(folder: string): () => Promise<DiskState> {
  const probe = join(folder, `probe-${process.pid}.tmp`);
  let known: Promise<DiskState> | undefined;
  let until = 0;
  const look = async (): Promise<DiskState> => {
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeFile(probe, Buffer.alloc(4096), { mode: 0o600 });
      await rm(probe);
      return { writable: true, freeBytes: await freeBytes(folder) };
    } catch {
      await rm(probe, { force: true }).catch(() => undefined);
      return { writable: false, freeBytes: await freeBytes(folder) };
    }
  };
  return () => {
    if (known && performance.now() < until) return known;
    until = performance.now() + fresh;
    return (known = look());
  };
}

async function freeBytes(folder: string): Promise<number> {
  return statfs(folder).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => 0,
  );
}
