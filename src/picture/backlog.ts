// Holds bytes between a fast writer and a slow reader: a little in memory, the rest in a file.
import type { FileHandle } from "node:fs/promises";
import { gather } from "./pieces.ts";

/** A queue of bytes with one writer and one reader, bounded in memory. */
export interface Backlog {
  /** Resolves when there is room for the next chunk. Rejects once the reader has left. */
  put(chunk: Buffer): Promise<void>;
  /** Ends the writing; with an error, all unread bytes are lost. Resolves with true if no byte of the backlog is left in memory. */
  end(error?: unknown): Promise<boolean>;
  /** The next bytes; undefined at the end. Rejects with the error that ended the writing, or the file's. */
  take(): Promise<Buffer | undefined>;
  /** The reader leaves. Closes the file; `create` is responsible for removing it. */
  close(): Promise<void>;
}

/** Bytes in memory before they go into the file. */
const batch = 256 * 1024;

/** Bytes read of the file at a time. */
const slice = 64 * 1024;

/** Makes a backlog. `create` opens the file when it is first needed. If no file can be opened, the writer waits for the reader. */
export function createBacklog(create: () => Promise<FileHandle>): Backlog {
  const recent: Buffer[] = []; // The newest pieces, which follow the bytes in the file.
  let size = 0;
  let file: FileHandle | undefined;
  let [written, read] = [0, 0];
  let flushing: Promise<void> | undefined;
  let [refused, closed] = [false, false];
  let ended: { error?: unknown } | undefined;
  let wake = () => {};
  const news = () => new Promise<void>((resolve) => (wake = resolve));

  const flush = async () => {
    if (refused || size === 0) return;
    flushing = (async () => {
      // When everything in the file has been read, it is written from its beginning again.
      if (read === written) read = written = 0;
      file ??= await create();
      const { bytesWritten } = await file.writev(recent, written);
      // A full disk may have taken a part of the bytes. That part is never read, since all of them are still in memory.
      if (bytesWritten < size) throw new Error("the disk is full");
      written += size;
      recent.length = size = 0;
    })().catch(() => void (refused = true));
    await flushing;
    flushing = undefined;
  };

  const fromFile = async () => {
    const piece = Buffer.allocUnsafeSlow(Math.min(slice, written - read));
    const { bytesRead } = await (file as FileHandle).read(piece, 0, piece.length, read);
    if (bytesRead === 0) throw new Error("the file of a picture is shorter than what was written to it");
    read += bytesRead;
    return piece.subarray(0, bytesRead);
  };

  return {
    put: async (chunk) => {
      gather(recent, chunk);
      size += chunk.length;
      wake();
      if (size >= batch) await flush();
      while (size >= batch && !closed) await news();
      if (closed) throw new Error("nobody reads the backlog any more");
    },
    end: async (...error) => {
      if (error.length === 0) await flush();
      ended = error.length === 0 ? {} : { error: error[0] };
      wake();
      return size === 0;
    },
    take: async () => {
      for (;;) {
        if (ended && "error" in ended) throw ended.error;
        if (read < written) return fromFile();
        if (flushing) await flushing;
        else {
          const piece = recent.shift();
          size -= piece?.length ?? 0;
          if (piece) wake();
          if (piece || ended) return piece;
          await news();
        }
      }
    },
    close: async () => {
      closed = true;
      wake();
      await flushing;
      await file?.close();
    },
  };
}
