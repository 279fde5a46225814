// Serves requests that wait in the ledger, and takes over those whose process has gone.
import type { Logger } from "pino";
import { messageOf } from "../errors.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { RequestRow } from "../ledger/row.ts";
import { watchLeases } from "./left-leases.ts";

export interface Runner {
  /** Look for requests that wait, now. */
  wake: () => void;
  /** Take no more, and go on renewing the leases of what is under way. */
  rest: () => void;
  /** Take no more, and let others have what is not finished here. */
  close: () => Promise<void>;
}

interface Parts {
  ledger: Ledger;
  /** The name of this process. */
  owner: string;
  log: Logger;
  /** How many more requests may be served at once. */
  room: () => number;
  /** Serve a request that is this process's from now on. */
  serve: (row: RequestRow) => Promise<void>;
  /** The requests under way in this process. */
  underWay: () => readonly { id: string }[];
  /** A request under way here is no longer this process's: it was cancelled, or taken over. */
  lost: (id: string) => void;
}

/** Time after which a request of a process that is gone is taken over, in milliseconds: one that lives renews its lease three times in it. */
export const lease = 15_000;

/** Time between two renewals of the leases of a process, in milliseconds: two may fail before another takes its requests. */
export const renewal = 5_000;

/** Time between two looks for jobs that wait, in milliseconds: one that this process was given is begun at once. */
export const look = 1_000;

/** Rows that are deleted in one step: more would hold up requests that wait for the ledger. */
export const mostPruned = 500;

/** Time between two deletions of rows whose time is over, in milliseconds: nobody is shown them in between. */
export const pruning = 60_000;

export function createRunner({ ledger, owner, log, room, serve, underWay, lost }: Parts): Runner {
  const closing = new AbortController();
  let isTaking = true;
  const until = () => Date.now() + lease;
  const left = watchLeases(owner, lease);
  const sleepers = new Map<number, () => void>();

  const serveAll = (rows: readonly RequestRow[]) => {
    for (const row of rows)
      void serve(row).catch((error: unknown) => log.error({ err: error, request: row.id }, "a request was not served"));
  };

  async function takeWaiting(): Promise<void> {
    const limit = isTaking ? room() : 0;
    if (limit > 0) serveAll(await ledger.take({ owner, until: until(), limit }));
  }

  async function takeAbandoned(): Promise<void> {
    if (!isTaking) return;
    for (const one of left.among(await ledger.leasesOfOthers(owner), performance.now())) {
      const row = await ledger.takeOver(one, { owner, until: until() });
      if (row) serveAll([row]);
    }
  }

  async function renew(): Promise<void> {
    const before = underWay();
    const held = await ledger.renew({ owner, until: until() });
    for (const { id } of before) if (!held.has(id) && underWay().some((one) => one.id === id)) lost(id);
  }

  const sleep = (pause: number) =>
    new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(wake, pause).unref();
      sleepers.set(pause, wake);
      if (closing.signal.aborted) wake();
    });
  const loop = async (pause: number, work: () => Promise<unknown>): Promise<void> => {
    while (!closing.signal.aborted) {
      // Where the ledger is away it is looked for again; it says so itself.
      await work().catch((error: unknown) => log.debug({ reason: messageOf(error) }, "the ledger was not read"));
      await sleep(pause);
    }
  };
  const loops = Promise.all([
    loop(look, takeWaiting),
    loop(renewal, async () => {
      try {
        await renew();
        await takeAbandoned();
      } catch (error) {
        left.reset();
        throw error;
      }
    }),
    loop(pruning, async () => {
      while ((await ledger.prune(mostPruned)) === mostPruned && !closing.signal.aborted);
    }),
  ]);

  return {
    wake: () => sleepers.get(look)?.(),
    rest: () => (isTaking = false),
    close: async () => {
      closing.abort();
      for (const wake of sleepers.values()) wake();
      await loops;
      await ledger.release(owner).catch(() => undefined);
    },
  };
}
