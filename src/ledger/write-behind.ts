// Writes rows for which nobody waits: together, a moment later, and from a file where the database was away.
import { setTimeout as delay } from "node:timers/promises";
import { Unavailable } from "./database.ts";
import type { RequestRow } from "./row.ts";
import type { WaitingFile } from "./waiting-file.ts";

export interface WriteBehind {
  /** Takes the row over: nobody changes it from now on. */
  put(row: RequestRow): void;
  /** The row of this id, as far as it waits in memory. */
  find(id: string): RequestRow | undefined;
  /** Look for rows that other processes left in files. */
  collect(): void;
  /** Resolves when everything put so far is written, or waits in the file. */
  settled(): Promise<void>;
  /** How many rows could neither be written nor be kept. */
  lost: () => number;
  /** Write what is waiting, or put it into the file. */
  close(): Promise<void>;
}

interface Options {
  /** Write the rows, each in place of the one of its id; a row may come once more. Rejects with `Unavailable` while the database is away. */
  write: (rows: readonly RequestRow[]) => Promise<void>;
  file: WaitingFile;
  /** Milliseconds between two writes. */
  pause?: number;
  /** Milliseconds between two tries while the database is away. */
  pauseAway?: number;
}

/** Rows that are written behind in one transaction: more would hold up requests that wait for theirs. */
export const mostTogether = 200;

/** Rows that wait in memory while the ledger is away or slow: the others wait in a file. */
export const mostInMemory = 2_000;

export function createWriteBehind({ write, file, pause = 50, pauseAway = 2_000 }: Options): WriteBehind {
  const waiting = new Map<string, RequestRow>();
  let underWay: ReadonlySet<RequestRow> = new Set();
  let isAway = false;
  let lost = 0;
  const closing = new AbortController();
  let isFileEmpty = false;
  let aside: Promise<void> | undefined;
  let working: Promise<void> | undefined;

  const writeRows = async (rows: readonly RequestRow[]) => {
    const refused = await writeEach(rows, write);
    lost += refused;
  };

  /** Write what waits in files, and then some of what waits in memory. Rejects with `Unavailable`. */
  async function writeSome(): Promise<void> {
    while (!isFileEmpty) {
      while (aside) await aside;
      isFileEmpty = true;
      await file.empty(writeRows).catch((error: unknown) => {
        isFileEmpty = false;
        throw error;
      });
    }
    // Nothing is in the file now, so none of these is newer than a state of it there.
    const rows = [...waiting.values()].slice(0, mostTogether);
    underWay = new Set(rows);
    await writeRows(rows).finally(() => (underWay = new Set()));
    drop(rows, waiting);
  }

  /** Put the oldest rows into the file, but for so many and those that are being written. */
  function putAside(left: number): Promise<void> {
    const rows = [...waiting.values()].filter((row) => !underWay.has(row)).slice(0, Math.max(0, waiting.size - left));
    if (rows.length === 0) return Promise.resolve();
    isFileEmpty = false;
    const adding = async () => {
      if (!(await file.add(rows))) lost += rows.length;
      drop(rows, waiting);
    };
    return (aside = adding().finally(() => (aside = undefined)));
  }

  async function work(): Promise<void> {
    while (waiting.size > 0 || !isFileEmpty) {
      // Rows that come faster than one write a pause can take are written without one.
      if (isAway || waiting.size < mostTogether)
        await delay(isAway ? pauseAway : pause, undefined, { signal: closing.signal }).catch(() => undefined);
      try {
        await writeSome();
        isAway = false;
      } catch {
        isAway = true;
        while (aside) await aside;
        await putAside(closing.signal.aborted ? 0 : mostInMemory);
        await file.touch();
        if (closing.signal.aborted) break;
      }
    }
    working = undefined; // At once: a row that is put while this ends would wait for the next one.
  }

  const begin = () => void (working ??= work());

  begin();
  return {
    put: (row) => {
      // Taken out first, so that the order of the map is that of time.
      waiting.delete(row.id);
      waiting.set(row.id, row);
      // A database that is slow, and not away, takes fewer than come. Half, so that the file is not written for each.
      if (waiting.size > mostInMemory && !aside) void putAside(mostInMemory / 2);
      begin();
    },
    find: (id) => waiting.get(id),
    collect: () => {
      isFileEmpty = false;
      begin();
    },
    settled: async () => {
      for (const row of waiting.values()) if (waiting.get(row.id) === row) await working;
    },
    lost: () => lost,
    close: async () => {
      closing.abort();
      await working;
    },
  };
}

/** Write rows. One that the database does not take keeps no other back; resolves with how many those were. Rejects with `Unavailable`. */
async function writeEach(rows: readonly RequestRow[], write: Options["write"]): Promise<number> {
  try {
    await write(rows);
    return 0;
  } catch (error) {
    if (error instanceof Unavailable) throw error;
    if (rows.length <= 1) return rows.length;
    let refused = 0;
    for (const row of rows) refused += await writeEach([row], write);
    return refused;
  }
}

function drop(rows: readonly RequestRow[], waiting: Map<string, RequestRow>): void {
  // A row that was put anew meanwhile is written once more.
  for (const row of rows) if (waiting.get(row.id) === row) waiting.delete(row.id);
}
