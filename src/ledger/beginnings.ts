// Begins requests in the ledger: once each, and only where their client has room for one more.
import { rowOf } from "./columns.ts";
import type { Database, Statement } from "./database.ts";
import type { RequestRow } from "./row.ts";
import { OverBudget, reserving, type Budget } from "./spending.ts";
import { byId, byName, countJobs, forget, insert, insertUnlessThere, meetFirst } from "./statements.ts";

/** The bounds within which a client may have one more request. */
export interface Room {
  /** For a job: how many its client may have that are not over. Instances that share PostgreSQL may let one more pass each at the same moment. */
  mostJobs?: number;
  /** The budgets of which it reserves what its row says. */
  budgets?: readonly Budget[];
}

/** A request that may be one that is there already. */
export interface Claim extends Room {
  row: RequestRow & { idempotency: string };
  /**
   * True where a request that is there counts; false where this one is new and takes its place for those that repeat it, unless what is there was
   * begun by a retry that overtook this one.
   */
  joins: boolean;
  /** Epoch milliseconds. A request that was over before counts no more; one that is under way always does. */
  since: number;
}

/** A client has as many jobs that are not over as it may. */
export class TooManyJobs extends Error {}

export interface Beginnings {
  /**
   * Begin a request that must not be served twice. Resolves with the row that serves it, once that is durable: the one given, or the one that
   * is there already. Rejects with `TooManyJobs` or `OverBudget` where there is none, and no room for one more.
   */
  claim(claim: Claim): Promise<RequestRow>;
  /** The request that a claim under this name would join; undefined where it would begin a new one. */
  named(client: string, name: string, since: number): Promise<RequestRow | undefined>;
  /** Add a row. Durable once it resolves. Rejects with `TooManyJobs` or `OverBudget` where there is no room for it. */
  add(row: RequestRow, room?: Room): Promise<void>;
  /** The number of jobs of a client that wait or are being served. */
  jobsOf(client: string): Promise<number>;
}

export function createBeginnings(database: Pick<Database, "run">, now: () => number): Beginnings {
  const rows = async (...statements: Statement[]) => (await database.run(statements)).map(rowOf);
  const isBounded = ({ mostJobs, budgets }: Room) => mostJobs !== undefined || budgets !== undefined;
  const jobsOf = async (client: string) => Number((await database.run([countJobs(client)]))[0]?.jobs ?? 0);
  /** The reason for which there was no room for a request. */
  const refusal = async (row: RequestRow, { mostJobs = Infinity, budgets }: Room) =>
    budgets && (await jobsOf(row.client)) < mostJobs ? new OverBudget(row, budgets) : new TooManyJobs();

  return {
    claim: async ({ row, joins, since, ...room }) => {
      const outdated = forget(row, joins ? since : Number.MAX_SAFE_INTEGER, now());
      const { before, after } = reserving(row, room.budgets);
      for (;;) {
        const [serving] = await rows(outdated, ...before, insertUnlessThere(row, room.mostJobs), ...after, byName(row));
        if (!serving && isBounded(room)) throw await refusal(row, room);
        if (!serving) throw new Error(`the request ${row.id} was not written`);
        // PostgreSQL shows the second of two new requests at the same moment the first one, which then loses its name to the second.
        if (joins || serving.id === row.id) return serving;
        if ((serving.firstUntil ?? 0) > now()) {
          await rows(meetFirst(serving));
          return serving;
        }
      }
    },
    named: async (client, idempotency, since) => {
      const [row] = await rows(byName({ client, idempotency }));
      return row && (row.endedAt ?? now()) >= since && row.expiresAt > now() ? row : undefined;
    },
    add: async (row, room = {}) => {
      const { before, after } = reserving(row, room.budgets);
      const isThere = room.budgets ? [byId(row.id)] : [];
      if ((await database.run([...before, insert(row, room.mostJobs), ...after, ...isThere])).length === 0) throw await refusal(row, room);
    },
    jobsOf,
  };
}
