// Keeps rows in a file while the database is away.
import { createReadStream } from "node:fs";
import { appendFile, readdir, rename, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { RequestRow } from "./row.ts";

export interface WaitingFile {
  /** Add rows. False where there is no room for them, or the disk does not take them. */
  add(rows: readonly RequestRow[]): Promise<boolean>;
  /**
   * Hand on everything that waits, oldest first, also what a process left behind that has ended. Rejects as `write` does; then all of it goes
   * on waiting, so `write` may get a row once more.
   */
  empty(write: (rows: readonly RequestRow[]) => Promise<void>): Promise<void>;
}

/** File in which rows wait while the ledger is away, in bytes: the disk is there for pictures, and this is some 60,000 rows. */
export const mostBytes = 64 * 1024 * 1024;

/** Rows that are read back from that file together: more would hold up requests that wait for theirs. */
export const mostTogether = 200;

/** Age from which a file that another machine left is taken, in milliseconds: a machine that is there writes to its own or empties it. */
export const leftBehind = 3_600_000;

/** The files of a folder, which processes of several machines may share: each has one of its own, named by its machine and its number. */
export function createWaitingFile(folder: string): WaitingFile {
  const own = join(folder, `ledger-${hostname()}-${process.pid}.waiting`);
  return {
    add: async (rows) => {
      const text = rows.map((row) => `${JSON.stringify(row)}\n`).join("");
      if ((await bytesOf(own)) + Buffer.byteLength(text) > mostBytes) return false;
      return isDone(appendFile(own, text, { mode: 0o600 }));
    },
    empty: async (write) => {
      // Taken away before it is read: what comes meanwhile goes into a new one.
      await isDone(rename(own, `${own}.${Date.now()}`));
      for (const name of (await readdir(folder)).sort()) {
        const [, host, pid] = /^ledger-(.+)-(\d+)\.waiting(?:\.\d+)?$/.exec(name) ?? [];
        const file = join(folder, name);
        if (host === undefined || file === own) continue;
        if (host === hostname() ? Number(pid) !== process.pid && isAlive(Number(pid)) : !(await isOld(file))) continue;
        await read(file, write);
      }
    },
  };
}

async function read(file: string, write: (rows: readonly RequestRow[]) => Promise<void>): Promise<void> {
  let rows: RequestRow[] = [];
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const row = parsed(line);
    if (row) rows.push(row);
    if (rows.length < mostTogether) continue;
    await write(rows);
    rows = [];
  }
  if (rows.length > 0) await write(rows);
  await rm(file, { force: true });
}

async function isOld(file: string): Promise<boolean> {
  const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: Infinity }));
  return mtimeMs + leftBehind < Date.now();
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It is there, and another user's.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function bytesOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  );
}

function isDone(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  );
}

/** A power cut may leave half a line. */
function parsed(line: string): RequestRow | undefined {
  try {
    return JSON.parse(line) as RequestRow;
  } catch {
    return undefined;
  }
}
