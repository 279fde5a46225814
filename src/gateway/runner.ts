// Serves requests that wait in the ledger, and takes over those whose process has gone.
import type { Logger } from "pino";
import type { Ledger } from "../ledger/ledger.ts";
import type { RequestRow } from "../ledger/row.ts";
import { isOver } from "./ending.ts";
import { watchLeases } from "./left-leases.ts";
import { createRounds } from "./rounds.ts";
import { watchUnserved } from "./unserved.ts";

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
  /** A request under way here is no longer this process's: it was cancelled, or taken over. `row` is how it stands. */
  lost: (id: string, row: RequestRow | undefined) => void;
  /** Milliseconds between two renewals. */
  every?: number;
}

/** Time after which a request of a process that is gone is taken over, in milliseconds: one that lives renews its lease three times in it. */
export const lease = 15_000;

/** Time between two renewals of the leases of a process, in milliseconds: two may fail before another takes its requests. */
export const renewal = 5_000;

/** Time between two looks for jobs that wait, in milliseconds: one that this process was given is begun at once. */
export const look = 1_000;

/** Rows that are deleted in one step: more would hold up requests that wait for the ledger. */
export const mostPruned = 100;

/** Time between two deletions of rows whose time is over, in milliseconds: nobody is shown them in between. */
export const pruning = 60_000;

export function createRunner({ ledger, owner, log, room, serve, underWay, lost, every = renewal }: Parts): Runner {
  let isTaking = true;
  const until = () => Date.now() + lease;
  const left = watchLeases(owner, lease);
  const unserved = watchUnserved(lease);
  const taken = new Set<string>();
  const rounds = createRounds(log);

  const serveAll = (rows: readonly RequestRow[]) => {
    for (const row of rows) {
      taken.add(row.id);
      void serve(row)
        .catch((error: unknown) => {
          unserved.doubt(row.id);
          log.error({ err: error, request: row.id }, "a request was not served");
        })
        .finally(() => taken.delete(row.id));
    }
  };

  async function takeWaiting(): Promise<void> {
    const limit = isTaking ? room() : 0;
    if (limit > 0) serveAll(await ledger.take({ owner, until: until(), limit }));
  }

  async function takeAbandoned(): Promise<void> {
    for (const one of left.among(await ledger.leasesOfOthers(owner), performance.now())) {
      unserved.doubt(one.id);
      // A renewal that comes meanwhile may find it held already, and must not serve it as well.
      taken.add(one.id);
      const row = await ledger.takeOver(one, { owner, until: until() }).catch((error: unknown) => {
        taken.delete(one.id);
        throw error;
      });
      taken.delete(one.id);
      unserved.sure(one.id);
      if (row) serveAll([row]);
    }
  }

  async function renew(): Promise<void> {
    const before = underWay();
    const held = await ledger.renew({ owner, until: until() });
    for (const { id } of before) if (!held.has(id) && underWay().some((one) => one.id === id)) lost(id, await ledger.find(id));
    if (!isTaking) return;
    const isServed = (id: string) => taken.has(id) || underWay().some((one) => one.id === id);
    for (const { id, isDoubtful } of unserved.among(held, isServed, performance.now())) {
      const row = await ledger.find(id);
      // A request without an input has a client that waits for it, and is served elsewhere in this process.
      if (row?.owner === owner && !isOver(row) && !isServed(id) && (isDoubtful || row.input !== undefined)) serveAll([row]);
    }
  }

  const waitAnew = (error: unknown) => {
    left.reset();
    throw error;
  };

  const wake = rounds.begin(look, takeWaiting);
  // Apart from each other: to take over what a large process left takes longer than a lease.
  rounds.begin(every, () => renew().catch(waitAnew));
  rounds.begin(every, async () => {
    if (isTaking) await takeAbandoned().catch(waitAnew);
  });
  rounds.begin(pruning, async () => {
    ledger.collect();
    while ((await ledger.prune(mostPruned)) === mostPruned && !rounds.isClosing());
  });

  return {
    wake,
    rest: () => (isTaking = false),
    close: async () => {
      await rounds.close();
      await ledger.release(owner).catch(() => undefined);
    },
  };
}
