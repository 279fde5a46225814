// The ledger: a row for each request, which outlives its connection and its process.
import { createBeginnings, type Beginnings } from "./beginnings.ts";
import { rowOf } from "./columns.ts";
import { createChoices, type Choices } from "./choices.ts";
import { createStoredKeys, type StoredKeys } from "./client-keys.ts";
import { Unavailable, type Database, type Statement } from "./database.ts";
import { announce, createDeliveries, pruneDeliveries, type Deliveries } from "./deliveries.ts";
import { outcomesIn, type Outcomes } from "./outcomes.ts";
import type { RequestPatch, RequestRow, RequestStatus } from "./row.ts";
import { createSpendings, pruneSpending, settle, type Spendings } from "./spending.ts";
import {
  byId,
  condition,
  leasesOfOthers,
  list,
  overwritable,
  prune,
  release,
  renew,
  take,
  takeOver,
  update,
  upsert,
  type Lease,
  type RowFilter,
  type SeenLease,
} from "./statements.ts";
import { usageIn, type Usage, type UsageFilter } from "./usage.ts";
import { createWaitingFile } from "./waiting-file.ts";
import { createWriteBehind } from "./write-behind.ts";

/** Everything here but `record` rejects with `Unavailable` while the database cannot be reached. */
export interface Ledger extends Beginnings {
  /**
   * Change a row; durable once it resolves. False where there is none, or none that is in one of the states `from` and still `owner`'s: a process
   * that stood still for a while may find its request with another.
   */
  update(id: string, patch: RequestPatch, from?: readonly RequestStatus[], owner?: string): Promise<boolean>;
  /** Put a row, which nobody changes any more, in place of what is there of it: soon, and without making anybody wait. It survives a database that is away for a while. */
  record(row: RequestRow): void;
  /** The request of this id; of this client alone, where one is given. */
  find(id: string, client?: string): Promise<RequestRow | undefined>;
  /** Newest first. */
  list(filter: RowFilter): Promise<RequestRow[]>;
  /** Add up what requests cost. Those that ended a moment ago may be missing. */
  usage(filter: UsageFilter): Promise<Usage>;
  /** The ends of the requests that began since then (epoch milliseconds), by channel and model. */
  outcomes(since: number): Promise<Outcomes[]>;
  /** Take requests that can be served without their client and that nobody serves, the oldest first. */
  take(wanted: Lease & { limit: number }): Promise<RequestRow[]>;
  /** The leases of other processes, whether they are there still or not. */
  leasesOfOthers(owner: string): Promise<SeenLease[]>;
  /** Take a request from a process that has gone; undefined where it still renews its lease, or another was faster. */
  takeOver(seen: SeenLease, lease: Lease): Promise<RequestRow | undefined>;
  /** Keep what a process serves. Resolves with the ids that it still holds. */
  renew(lease: Lease): Promise<Set<string>>;
  /** Let others take what a process serves, as far as it can be gone on with. */
  release(owner: string): Promise<void>;
  /** The events of jobs that named a webhook. One is written in the very transaction in which its job ends, whatever ends it. */
  deliveries: Deliveries;
  /** The clients' keys that were added at run time. */
  keys: StoredKeys;
  /** The choices of clients for their later requests. */
  choices: Choices;
  /** The spending of clients with a budget. The bill of a request is booked in the very transaction in which it ends, whatever ends it. */
  spending: Spendings;
  /** Delete rows whose time is over, at most so many; resolves with how many requests there were. */
  prune(limit: number): Promise<number>;
  /** Write what processes that have ended left of theirs. */
  collect(): void;
  /** Resolves when everything recorded so far is written, or waits in a file. */
  settled(): Promise<void>;
  /** How it stands. `isAway` while the database cannot be reached; `lost` counts rows that could neither be written nor be kept. */
  state: { readonly isAway: boolean; readonly lost: number };
  /** Write what is waiting, and close the database. */
  close(): Promise<void>;
}

interface Options {
  database: Database;
  /** The folder in which rows wait while the database is away. */
  folder: string;
  now?: () => number;
  /** Called when the database goes away and when it is back. */
  changed?: (isAway: boolean, error?: unknown) => void;
}

/** Make a ledger of a database that is open. */
export function createLedger({ database: opened, folder, now = Date.now, changed = () => undefined }: Options): Ledger {
  let isAway = false;
  const note = (isNow: boolean, error?: unknown) => {
    if (isNow !== isAway) changed(isNow, error);
    isAway = isNow;
  };
  const database = watched(opened, note);
  const behind = createWriteBehind({
    write: async (rows) => {
      await database.run(rows.flatMap(written));
    },
    file: createWaitingFile(folder),
  });
  const written = (row: RequestRow) => [
    ...(row.reservedNanos === undefined ? [] : settle(row.id, row, (first) => overwritable(row, first), database.kind)),
    upsert(row),
    ...(row.job ? announce(row.id, row) : []),
  ];
  const rows = async (...statements: Statement[]) => (await database.run(statements)).map(rowOf);
  const ids = async (...statements: Statement[]) => (await database.run(statements)).map(({ id }) => String(id));

  return {
    ...createBeginnings(database, now),
    update: async (id, patch, from, owner) => {
      const booked = settle(id, patch, (first) => condition(from ?? [], owner, first), database.kind);
      return (await ids(...booked, ...announce(id, patch, from, owner), update(id, patch, from, owner))).length > 0;
    },
    record: (row) => behind.put(row),
    find: async (id, client) => {
      const row = behind.find(id) ?? (await rows(byId(id)))[0];
      return row && (client === undefined || row.client === client) && (row.endedAt === undefined || row.expiresAt > now())
        ? row
        : undefined;
    },
    list: (filter) => rows(list(filter, now())),
    usage: (filter) => usageIn(database, filter),
    outcomes: (since) => outcomesIn(database, since),
    take: async (wanted) => {
      const taken = await rows(take(wanted, database.kind === "postgres"));
      return taken.sort((one, other) => one.createdAt - other.createdAt);
    },
    leasesOfOthers: async (own) =>
      (await database.run([leasesOfOthers(own)])).map(({ id, owner, lease_until }) => ({
        id: String(id),
        owner: String(owner),
        until: Number(lease_until),
      })),
    takeOver: async (seen, lease) => (await rows(takeOver(seen, lease)))[0],
    renew: async (lease) => new Set(await ids(renew(lease))),
    release: async (owner) => {
      await database.run([release(owner)]);
    },
    deliveries: createDeliveries(database),
    spending: createSpendings(database),
    collect: () => behind.collect(),
    keys: createStoredKeys(database),
    choices: createChoices(database),
    prune: async (limit) => (await ids(pruneDeliveries(now(), limit), pruneSpending(now()), prune(now(), limit))).length,
    settled: () => behind.settled(),
    state: {
      get isAway() {
        return isAway;
      },
      get lost() {
        return behind.lost();
      },
    },
    close: async () => {
      await behind.close();
      await database.close();
    },
  };
}

/** The same database; `note` hears after each transaction whether it is away. */
function watched(database: Database, note: (isAway: boolean, error?: unknown) => void): Database {
  return {
    ...database,
    run: async (statements) => {
      try {
        const rows = await database.run(statements);
        note(false);
        return rows;
      } catch (error) {
        // A mistake in a statement was reported by a database that is there.
        note(error instanceof Unavailable, error);
        throw error;
      }
    },
  };
}
