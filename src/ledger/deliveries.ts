// The events of jobs that named a webhook, until their receivers have them.
import { randomBytes } from "node:crypto";
import type { Database, Row, Statement, Value } from "./database.ts";
import type { RequestPatch, RequestStatus } from "./row.ts";
import { condition } from "./statements.ts";

/** `waiting` until an attempt succeeds or none is left. */
export type DeliveryStatus = "waiting" | "delivered" | "failed";

export const eventTypes = ["image.job.completed", "image.job.failed", "image.job.cancelled"] as const;

export type EventType = (typeof eventTypes)[number];

/** An event on its way to its receiver. Times are epoch milliseconds. */
export interface Delivery {
  /** The event's id, the same at each attempt. */
  id: string;
  /** The id of the job. */
  request: string;
  /** The client whose job it is. */
  client: string;
  /** The webhook's name in `gateway.yaml`, or a URL. */
  webhook: string;
  type: EventType;
  status: DeliveryStatus;
  /** When the job ended. */
  createdAt: number;
  /** When it is attempted next; while an attempt is under way, when that counts as lost. */
  nextAt: number;
  /** Attempts so far, with the one under way. */
  attempts: number;
  attemptedAt?: number;
  /** The URL, the HTTP status and the reason of failure of the last attempt. */
  url?: string;
  answer?: number;
  reason?: string;
}

/** How an attempt left a delivery. */
export type Attempted = Pick<Delivery, "status" | "nextAt" | "url" | "answer" | "reason">;

/** All of it rejects with `Unavailable` while the database cannot be reached. */
export interface Deliveries {
  /** Take deliveries that are due, the oldest first, none to the webhooks of `except`. Others take them again from `until` on. */
  take(wanted: { now: number; until: number; limit: number; except: readonly string[] }): Promise<Delivery[]>;
  /** Write how an attempt left a delivery, unless another attempt was begun since. */
  settle(delivery: Delivery, attempted: Attempted): Promise<void>;
  /** Forget a delivery that nobody wants. */
  drop(id: string): Promise<void>;
  /** True where the last answer from a URL since then was a 410. */
  isGone(url: string, since: number): Promise<boolean>;
  /** The newest first. */
  list(filter: { status?: DeliveryStatus; limit: number }): Promise<Delivery[]>;
  /** How many wait. */
  waiting(): Promise<number>;
  /** Deliver once more, from the first attempt on, and forget that the URL answered with a 410. False where there is no such delivery. */
  redeliver(id: string, now: number): Promise<boolean>;
}

const columns = "id, request, client, webhook, type, status, created_at, next_at, attempts, attempted_at, url, answer, reason";

const typeOf: Partial<Record<RequestStatus, EventType>> = {
  completed: "image.job.completed",
  failed: "image.job.failed",
  unknown: "image.job.failed",
  cancelled: "image.job.cancelled",
};

/**
 * Adds the event of a job that a patch ends, if the job named a webhook and is in one of these states and of this owner, as in `update`. Nothing
 * where the patch does not end it.
 */
export function announce(id: string, { status, endedAt }: RequestPatch, from: readonly RequestStatus[] = [], owner?: string): Statement[] {
  const type = status && typeOf[status];
  if (type === undefined || endedAt === undefined) return [];
  const { sql, parameters } = condition(from, owner, 5);
  return [
    {
      sql: `insert into deliveries (id, request, client, webhook, type, status, created_at, next_at, attempts, expires_at)
        select cast(?1 as text), id, client, webhook, cast(?3 as text), 'waiting', cast(?4 as bigint), cast(?4 as bigint), 0, expires_at
        from requests where id = ?2 and webhook is not null${sql} on conflict do nothing`,
      parameters: [`evt_${randomBytes(16).toString("hex")}`, id, type, endedAt, ...parameters],
    },
  ];
}

/** Deletes deliveries whose job's time is over, at most so many. */
export function pruneDeliveries(now: number, limit: number): Statement {
  return {
    sql: "delete from deliveries where id in (select id from deliveries where expires_at <= ?1 limit ?2)",
    parameters: [now, limit],
  };
}

export function createDeliveries(database: Pick<Database, "kind" | "run">): Deliveries {
  const run = async (...statements: Statement[]) => (await database.run(statements)).map(deliveryOf);
  const skipLocked = database.kind === "postgres" ? " for update skip locked" : "";
  return {
    take: async ({ now, until, limit, except }) => {
      const others = except.map((_, index) => `?${index + 4}`).join(", ");
      const due = `select id from deliveries where status = 'waiting' and next_at <= ?1${others && ` and webhook not in (${others})`}
        order by next_at limit ?3${skipLocked}`;
      const taken = await run({
        sql: `update deliveries set attempts = attempts + 1, attempted_at = ?1, next_at = ?2 where id in (${due}) returning ${columns}`,
        parameters: [now, until, limit, ...except],
      });
      return taken.sort((one, other) => one.createdAt - other.createdAt);
    },
    settle: async ({ id, attempts }, { status, nextAt, url, answer, reason }) => {
      await database.run([
        {
          sql: "update deliveries set status = ?3, next_at = ?4, url = ?5, answer = ?6, reason = ?7 where id = ?1 and attempts = ?2",
          parameters: [id, attempts, status, nextAt, ...[url, answer, reason].map((value) => value ?? null)],
        },
      ]);
    },
    drop: async (id) => {
      await database.run([{ sql: "delete from deliveries where id = ?1", parameters: [id] }]);
    },
    isGone: async (url, since) => {
      const sql =
        "select answer from deliveries where url = ?1 and answer is not null and attempted_at > ?2 order by attempted_at desc limit 1";
      return (await database.run([{ sql, parameters: [url, since] }]))[0]?.answer === 410;
    },
    list: ({ status, limit }) => {
      const parameters: Value[] = status === undefined ? [limit] : [limit, status];
      const where = status === undefined ? "" : " where status = ?2";
      return run({ sql: `select ${columns} from deliveries${where} order by created_at desc, id desc limit ?1`, parameters });
    },
    waiting: async () =>
      Number((await database.run([{ sql: "select count(*) as waiting from deliveries where status = 'waiting'" }]))[0]?.waiting ?? 0),
    redeliver: async (id, now) => {
      const redelivered = await database.run([
        {
          sql: "update deliveries set answer = null where answer = 410 and url = (select url from deliveries where id = ?1)",
          parameters: [id],
        },
        {
          sql: "update deliveries set status = 'waiting', attempts = 0, next_at = ?2, reason = null where id = ?1 returning id",
          parameters: [id, now],
        },
      ]);
      return redelivered.length > 0;
    },
  };
}

function deliveryOf(row: Row): Delivery {
  const { created_at: createdAt, next_at: nextAt, attempted_at: attemptedAt, ...others } = row;
  const all = { ...others, createdAt, nextAt, attemptedAt };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null && value !== undefined)) as unknown as Delivery;
}
