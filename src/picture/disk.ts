// Writes files that may have to be taken back into memory, and reports the state of the disk.
import { mkdir, rm, statfs, writeFile, type FileHandle } from "node:fs/promises";
import { join } from "node:path";

/** Bytes given to the disk at a time: each write is a journey to another thread and back. */
const batch = 512 * 1024;

/** Writes to a file, several chunks at a time, and does not wait for them before the next ones come. */
export interface Writer {
  /** Keeps the chunk, and resolves when there is room for more. */
  write(chunks: readonly Buffer[]): Promise<void>;
  /** Resolves when everything is written. */
  end(): Promise<void>;
  /** All that was given to `write`, once the disk has refused some of it: read back from the file as far as it got there. */
  takeBack(): Promise<Buffer>;
}

/** Write to a file from its beginning. `takeBack` needs one that is open for reading too. */
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
    // A disk that fills up takes a part, and says so only the next time.
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

/** How the disk below a folder is. */
export interface DiskState {
  /** True where a small file could be written just now. */
  writable: boolean;
  /** Bytes that are free for this process; 0 where that is unknown. */
  freeBytes: number;
}

/** Age of what is known of the disk before it is looked at again, in milliseconds: every order asks for it. */
export const fresh = 1000;

/** Look at the disk below a folder by writing to it, once a second at most however many ask. Never rejects. */
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
