import type { FileHandle } from "node:fs/promises";

/** Bytes given to the disk at a time: each write is a journey to another thread and back. */
const batch = 512 * 1024;

/** Writes to a file, several chunks at a time, and does not wait for them before the next ones come. */
export interface Writer {
  /** Keeps the chunk, and resolves when there is room for more. */
  write(chunks: readonly Buffer[]): Promise<void>;
  /** Resolves when everything is written. */
  end(): Promise<void>;
}

export function createWriter(handle: FileHandle): Writer {
  let pieces: Buffer[] = [];
  let pending = 0;
  let writing: Promise<unknown> = Promise.resolve();
  const flush = async () => {
    await writing;
    const due = pending;
    // A disk that fills up takes a part, and says so only the next time.
    writing = handle.writev(pieces).then(({ bytesWritten }) => {
      if (bytesWritten < due) throw new Error(`the disk took ${bytesWritten} of ${due} bytes`);
    });
    writing.catch(() => undefined); // The next flush, or the end, is told.
    [pieces, pending] = [[], 0];
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
  };
}
