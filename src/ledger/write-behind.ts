// Writes rows for which nobody waits: together, a moment later, and from a file where the database was away.
import { setTimeout as delay } from "node:timers/promises";
import { Unavailable } from "./database.ts";
import type { RequestRow } from "./row.ts";
import type { WaitingFile } from "./waiting-file.ts";

export interface WriteBehind {
  put(row: RequestRow): void;
  /** The row of this id, as far as it waits in memory. */
  find(id: string): RequestRow | undefined;
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

/** Rows that wait in memory while the ledger is away: the others wait in a file. */
export const mostInMemory = 2_000;

export function createWriteBehind({ write, file, pause = 200, pauseAway = 2_000 }: Options): WriteBehind {
  const waiting = new Map<string, RequestRow>();
  let isAway = false;
  let lost = 0;
  const closing = new AbortController();
  let isFileEmpty = false;
  let working: Promise<void> | undefined;

  /** Write rows; one that the database does not take is lost, and keeps no other back. */
  async function writeEach(rows: readonly RequestRow[]): Promise<void> {
    try {
      await write(rows);
    } catch (error) {
      if (error instanceof Unavailable) throw error;
      if (rows.length > 1) for (const row of rows) await writeEach([row]);
      else lost += rows.length;
    }
  }

  const drop = (rows: readonly RequestRow[]) => {
    // A row that was put anew meanwhile is written once more.
    for (const row of rows) if (waiting.get(row.id) === row) waiting.delete(row.id);
  };

  /** Write all that waits. Rejects with `Unavailable`. */
  async function writeAll(): Promise<void> {
    if (!isFileEmpty) await file.empty(writeEach);
    isFileEmpty = true;
    const rows = [...waiting.values()].slice(0, mostTogether);
    await writeEach(rows);
    drop(rows);
  }

  async function putAside(left: number): Promise<void> {
    const rows = [...waiting.values()].slice(0, Math.max(0, waiting.size - left));
    if (rows.length === 0) return;
    isFileEmpty = false;
    if (!(await file.add(rows))) lost += rows.length;
    drop(rows);
  }

  async function work(): Promise<void> {
    while (waiting.size > 0 || !isFileEmpty) {
      // Rows that come faster than one write a pause can take are written without one.
      if (isAway || waiting.size < mostTogether)
        await delay(isAway ? pauseAway : pause, undefined, { signal: closing.signal }).catch(() => undefined);
      try {
        await writeAll();
        isAway = false;
      } catch {
        isAway = true;
        await putAside(closing.signal.aborted ? 0 : mostInMemory);
        if (closing.signal.aborted) return;
      }
    }
  }

  const begin = () => {
    working ??= work().finally(() => (working = undefined));
  };

  begin();
  return {
    put: (row) => {
      // Taken out first, so that the order of the map is that of time.
      waiting.delete(row.id);
      waiting.set(row.id, row);
      begin();
    },
    find: (id) => waiting.get(id),
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
