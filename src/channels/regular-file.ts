// Reads an operator's file, which may turn out to be no file at all.
import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from "node:fs";
import { open } from "node:fs/promises";

/**
 * Size of an operator's file, in bytes: YAML is parsed in one go at some 1 MB a second, on the thread that serves; JSON at a hundred times
 * that.
 */
export const fileLimits = { yaml: 256 * 1024, json: 4 * 1024 * 1024, secret: 64 * 1024 };

// Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
const flags = constants.O_RDONLY | constants.O_NONBLOCK;

/** Reads a file of at most `limit` bytes. Rejects if it is larger, or not a regular file, such as a pipe. */
export async function readRegularFile(path: string, limit: number): Promise<Buffer> {
  const file = await open(path, flags);
  try {
    judge(await file.stat(), limit);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

/** The same at once. */
export function readRegularFileNow(path: string, limit: number): Buffer {
  const file = openSync(path, flags);
  try {
    judge(fstatSync(file), limit);
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}

function judge(stats: Stats, limit: number): void {
  // Reading a folder fails by itself, and says why.
  if (stats.isDirectory()) return;
  if (!stats.isFile()) throw new Error("it is not a regular file");
  if (stats.size > limit) throw new Error(`it has ${kilobytes(stats.size)} KB; the most is ${kilobytes(limit)} KB`);
}

const kilobytes = (bytes: number) => Math.ceil(bytes / 1024);
