// The ledger: a row for each request, which outlives its connection and its process.
import { rowOf } from "./columns.ts";
import { createStoredKeys, type StoredKeys } from "./client-keys.ts";
import { Unavailable, type Database, type Statement } from "./database.ts";
import { announce, createDeliveries, pruneDeliveries, type Deliveries } from "./deliveries.ts";
import type { RequestPatch, RequestRow, RequestStatus } from "./row.ts";
import {
  byId,
  byName,
  countJobs,
  forget,
  insert,
  insertUnlessThere,
  leasesOfOthers,
  list,
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

/** A request that may be one that is there already. */
export interface Claim {
  row: RequestRow & { idempotency: string };
  /** True where a request that is there counts; false where this one is new and takes its place for those that repeat it. */
  joins: boolean;
  /** Epoch milliseconds. A request that was over before counts no more; one that is under way always does. */
  since: number;
  /** For a job: how many its client may have that are not over. Instances that share PostgreSQL may let one more pass each at the same moment. */
  mostJobs?: number;
}

/** A client has as many jobs that are not over as it may. */
export class TooManyJobs extends Error {}

/** Everything here but `record` rejects with `Unavailable` while the database cannot be reached. */
export interface Ledger {
  /**
   * Begin a request that must not be served twice. Resolves with the row that serves it, once that is durable: the one given, or the one that
   * is there already. Rejects with `TooManyJobs` where there is none, and no room for one more.
   */
  claim(claim: Claim): Promise<RequestRow>;
  /** The request that a claim under this name would join; undefined where it would begin a new one. */
  named(client: string, name: string, since: number): Promise<RequestRow | undefined>;
  /** Add a row. Durable once it resolves. Rejects with `TooManyJobs` where its client has `mostJobs` that are not over. */
  add(row: RequestRow, mostJobs?: number): Promise<void>;
  /**
   * Change a row; durable once it resolves. False where there is none, or none that is in one of the states `from` and still `owner`'s: a process
   * that stood still for a while may find its request with another.
   */
  update(id: string, patch: RequestPatch, from?: readonly RequestStatus[], owner?: string): Promise<boolean>;
  /** Put a row in place of what is there of it, soon, and without making anybody wait. It survives a database that is away for a while. */
  record(row: RequestRow): void;
  /** The request of this id; of this client alone, where one is given. */
  find(id: string, client?: string): Promise<RequestRow | undefined>;
  /** Newest first. */
  list(filter: RowFilter): Promise<RequestRow[]>;
  /** Add up what requests cost. Those that ended a moment ago may be missing. */
  usage(filter: UsageFilter): Promise<Usage>;
  /** How many jobs of a client wait or are being served. */
  jobsOf(client: string): Promise<number>;
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
  /** Told when the database goes away and when it is back. */
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
      await database.run(rows.flatMap((row) => [upsert(row), ...(row.job ? announce(row.id, row) : [])]));
    },
    file: createWaitingFile(folder),
  });
  const rows = async (...statements: Statement[]) => (await database.run(statements)).map(rowOf);
  const ids = async (...statements: Statement[]) => (await database.run(statements)).map(({ id }) => String(id));

  return {
    claim: async ({ row, joins, since, mostJobs }) => {
      const outdated = forget(row, joins ? since : Number.MAX_SAFE_INTEGER, now());
      for (;;) {
        const [serving] = await rows(outdated, insertUnlessThere(row, mostJobs), byName(row));
        if (!serving && mostJobs !== undefined) throw new TooManyJobs();
        if (!serving) throw new Error(`the request ${row.id} was not written`);
        // PostgreSQL shows the second of two new requests at the same moment the first one, which then loses its name to the second.
        if (joins || serving.id === row.id) return serving;
      }
    },
    named: async (client, idempotency, since) => {
      const [row] = await rows(byName({ client, idempotency }));
      return row && (row.endedAt ?? now()) >= since && row.expiresAt > now() ? row : undefined;
    },
    add: async (row, mostJobs) => {
      if ((await database.run([insert(row, mostJobs)])).length === 0) throw new TooManyJobs();
    },
    update: async (id, patch, from, owner) => (await ids(...announce(id, patch, from, owner), update(id, patch, from, owner))).length > 0,
    record: (row) => behind.put(row),
    find: async (id, client) => {
      const row = behind.find(id) ?? (await rows(byId(id)))[0];
      return row && (client === undefined || row.client === client) && (row.endedAt === undefined || row.expiresAt > now())
        ? row
        : undefined;
    },
    list: (filter) => rows(list(filter, now())),
    usage: (filter) => usageIn(database, filter),
    jobsOf: async (client) => Number((await database.run([countJobs(client)]))[0]?.jobs ?? 0),
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
    collect: () => behind.collect(),
    keys: createStoredKeys(database),
    prune: async (limit) => (await ids(pruneDeliveries(now(), limit), prune(now(), limit))).length,
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

/** The same database; `note` is told after each transaction whether it is away. */
function watched(database: Database, note: (isAway: boolean, error?: unknown) => void): Database {
  return {
    ...database,
    run: async (statements) => {
      try {
        const rows = await database.run(statements);
        note(false);
        return rows;
      } catch (error) {
        // A mistake in a statement was told by a database that is there.
        note(error instanceof Unavailable, error);
        throw error;
      }
    },
  };
}
