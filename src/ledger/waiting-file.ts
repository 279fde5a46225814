// Keeps rows in a file while the database is away.
import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { appendFile, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { isGone, space } from "./owner.ts";
import type { RequestRow } from "./row.ts";

export interface WaitingFile {
  /** Add rows. False where there is no room for them, or the disk does not take them. */
  add(rows: readonly RequestRow[]): Promise<boolean>;
  /** Show the others that its process is there: the database is away still. */
  touch(): Promise<unknown>;
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

/** Age from which a file that another machine or container left is taken, in milliseconds: one that is there touches its own every few seconds. */
export const leftBehind = 600_000;

/** The machine or container in which the number of a process is its own, as a part of a file's name. */
const here = createHash("sha256").update(space).digest("hex").slice(0, 8);

/**
 * The files of a folder, which processes of several machines may share: each has one of its own. Its name says where its process runs, and is
 * nobody else's, since containers may share a folder, a host's name and the numbers of their processes.
 */
export function createWaitingFile(folder: string): WaitingFile {
  const own = join(folder, `ledger-${hostname()}-${here}-${process.pid}-x${randomBytes(4).toString("hex")}.waiting`);
  const takenAs = (index: number) => `${own}.${Date.now()}-${index}`;
  return {
    add: async (rows) => {
      const text = rows.map((row) => `${JSON.stringify(row)}\n`).join("");
      if ((await bytesOf(own)) + Buffer.byteLength(text) > mostBytes) return false;
      return isDone(appendFile(own, text, { mode: 0o600 }));
    },
    touch: () => isDone(utimes(own, new Date(), new Date())),
    empty: async (write) => {
      // Taken away before they are read: what comes meanwhile goes into a new one, and no other process reads the same.
      await isDone(rename(own, takenAs(0)));
      const others = (await readdir(folder)).filter((name) => !join(folder, name).startsWith(own)).sort();
      for (const [index, name] of others.entries())
        if (await isLeft(folder, name)) await isDone(rename(join(folder, name), takenAs(index + 1)));
      const taken = (await readdir(folder)).map((name) => join(folder, name)).filter((file) => file.startsWith(`${own}.`));
      for (const file of taken.sort()) await read(file, write);
    },
  };
}

/** True for a file whose process has ended, or has been silent for long. */
async function isLeft(folder: string, name: string): Promise<boolean> {
  const [, where, pid] = /^ledger-.+-([0-9a-f]{8})-(\d+)-x[0-9a-f]{8}\.waiting/.exec(name) ?? inOldWay(name) ?? [];
  if (where === undefined) return false;
  return (where === here && isGone(Number(pid))) || isOld(join(folder, name));
}

/** The parts of a name that an earlier version gave, by host and number alone. */
function inOldWay(name: string): [string, string, string] | undefined {
  const [, host, pid] = /^ledger-(.+)-(\d+)\.waiting(?:\.\d+)?$/.exec(name) ?? [];
  return host === undefined || pid === undefined ? undefined : [name, host === hostname() ? here : "", pid];
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
