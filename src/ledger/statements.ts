// The ledger's statements, in the SQL that both databases know.
import { assignmentsOf, columns, filledBy } from "./columns.ts";
import type { Statement, Value } from "./database.ts";
import type { RequestPatch, RequestRow, RequestStatus } from "./row.ts";

/** The rows that are wanted. */
export interface RowFilter {
  /** The rows of this client alone; those of all when omitted. */
  client?: string;
  /** Only requests that were sent as jobs. */
  jobs?: boolean;
  statuses?: readonly RequestStatus[];
  model?: string;
  channel?: string;
  traceId?: string;
  /** Epoch milliseconds; `until` is not part of it. */
  since?: number;
  until?: number;
  /** The row after which the page begins. */
  after?: { createdAt: number; id: string };
  limit: number;
}

/** The process that serves a request, and until when (epoch milliseconds) it may without renewing. */
export interface Lease {
  owner: string;
  until: number;
}

/** A lease as it was seen. */
export interface SeenLease extends Lease {
  id: string;
}

const all = columns.join(", ");
const underWay = "status in ('queued', 'in_progress')";

const overwrite = columns
  .filter((column) => column !== "id")
  .map((column) => `${column} = excluded.${column}`)
  .join(", ");

const jobsOf = (client: string) => `(select count(*) from requests where client = ${client} and job is not null and ${underWay})`;

/**
 * Makes statements that insert a row; where `mostJobs` is given, only while its client has fewer jobs. Each text is made once: it is long, and rows
 * fill a few dozen sets of columns.
 */
function inserting(onConflict = ""): (row: RequestRow, mostJobs?: number) => Statement {
  const texts = new Map<string, string>();
  return (row, mostJobs) => {
    const { columns: filled, values } = filledBy(row);
    const names = filled.join(", ");
    const isLimited = mostJobs !== undefined;
    const key = `${names} ${isLimited}`;
    let sql = texts.get(key);
    if (sql === undefined) {
      const places = filled.map((_, index) => `?${index + 1}`).join(", ");
      const most = `${jobsOf(`?${filled.length + 1}`)} < ?${filled.length + 2}`;
      sql = `insert into requests (${names}) ${isLimited ? `select ${places} where ${most}` : `values (${places})`}${onConflict}`;
      texts.set(key, sql);
    }
    return { sql, parameters: isLimited ? [...values, row.client, mostJobs] : values };
  };
}

export const insert = inserting(" returning id");

/**
 * Puts a row in place of what is there of it. A row that has ended stays as it is: one that waited in a file may be older. So does one that another
 * process serves by now. Pictures that were made count all the same, also where another gave them up for lost.
 */
export const upsert = inserting(` on conflict (id) do update set ${overwrite} where (requests.ended_at is null
  and (requests.owner is null or excluded.owner is null or requests.owner = excluded.owner or excluded.status = 'completed'))
  or (requests.status = 'unknown' and excluded.status = 'completed')`);

/** Holds for the rows in whose place `upsert` puts this one; its parameters are numbered from `first`. */
export function overwritable({ owner, status }: RequestRow, first: number): { sql: string; parameters: Value[] } {
  if (status === "completed") return { sql: " and (ended_at is null or status = 'unknown')", parameters: [] };
  if (owner === undefined) return { sql: " and ended_at is null", parameters: [] };
  return { sql: ` and ended_at is null and (owner is null or owner = ?${first})`, parameters: [owner] };
}

/** Time for which a row that nobody ended is kept beyond its own, in milliseconds: its request may still be under way. */
export const longestWay = 86_400_000;

/**
 * Takes the name for repeats from a request that counts no more: one that was over before `since`, or whose time is. One under way is as old as
 * `now`. One that still waits for its first attempt keeps it.
 */
export function forget({ client, idempotency }: RequestRow, since: number, now: number): Statement {
  return {
    sql: "update requests set idempotency = null where client = ?1 and idempotency = ?2 and coalesce(first_until, 0) <= ?4 and (coalesce(ended_at, ?4) < ?3 or (ended_at is not null and expires_at <= ?4))",
    parameters: [client, idempotency ?? null, since, now],
  };
}

/** The first attempt of a request that a retry began has come. */
export function meetFirst({ id }: RequestRow): Statement {
  return { sql: "update requests set first_until = null where id = ?1", parameters: [id] };
}

export const insertUnlessThere = inserting(" on conflict do nothing");

export function byName({ client, idempotency }: Pick<RequestRow, "client" | "idempotency">): Statement {
  return { sql: `select ${all} from requests where client = ?1 and idempotency = ?2`, parameters: [client, idempotency ?? null] };
}

export function byId(id: string): Statement {
  return { sql: `select ${all} from requests where id = ?1`, parameters: [id] };
}

/** Changes a row, if it is in one of these states and, where an owner is named, this one's; gives its id. */
export function update(id: string, patch: RequestPatch, from: readonly RequestStatus[] = [], owner?: string): Statement {
  const assignments = assignmentsOf(patch);
  const set = assignments.map(({ column }, index) => `${column} = ?${index + 2}`).join(", ");
  const { sql, parameters } = condition(from, owner, 2 + assignments.length);
  return {
    sql: `update requests set ${set} where id = ?1${sql} returning id`,
    parameters: [id, ...assignments.map(({ value }) => value), ...parameters],
  };
}

/** Holds for rows in one of these states, any where none is named, and of this owner; its parameters are numbered from `first`. */
export function condition(from: readonly RequestStatus[], owner: string | undefined, first: number): { sql: string; parameters: string[] } {
  const states = from.map((_, index) => `?${index + first}`).join(", ");
  const ofOwner = owner === undefined ? "" : ` and owner = ?${first + from.length}`;
  return { sql: `${states && ` and status in (${states})`}${ofOwner}`, parameters: [...from, ...(owner === undefined ? [] : [owner])] };
}

/** Newest first. */
export function list(filter: RowFilter, now: number): Statement {
  const parameters: Value[] = [];
  const place = (value: Value) => `?${parameters.push(value)}`;
  const { client, statuses, model, channel, traceId, since, until, after, jobs } = filter;
  const conditions = [
    `expires_at > ${place(now)}`,
    client !== undefined && `client = ${place(client)}`,
    jobs === true && "job is not null",
    statuses && `status in (${statuses.map(place).join(", ") || "null"})`,
    model !== undefined && `model = ${place(model)}`,
    channel !== undefined && `channel = ${place(channel)}`,
    traceId !== undefined && `trace_id = ${place(traceId)}`,
    since !== undefined && `created_at >= ${place(since)}`,
    until !== undefined && `created_at < ${place(until)}`,
    after && `(created_at, id) < (${place(after.createdAt)}, ${place(after.id)})`,
  ].filter((condition) => typeof condition === "string");
  const sql = `select ${all} from requests where ${conditions.join(" and ")} order by created_at desc, id desc limit ${place(filter.limit)}`;
  return { sql, parameters };
}

export function countJobs(client: string): Statement {
  return { sql: `select ${jobsOf("?1")} as jobs`, parameters: [client] };
}

/** Gives requests that nobody serves to `owner`, the oldest first. Where several take at once, `skipLocked` keeps them from each other's rows. */
export function take({ owner, until, limit }: Lease & { limit: number }, skipLocked: boolean): Statement {
  const free = `select id from requests where ${underWay} and owner is null and input is not null
    order by created_at limit ?3${skipLocked ? " for update skip locked" : ""}`;
  return {
    sql: `update requests set owner = ?1, lease_until = ?2 where id in (${free}) returning ${all}`,
    parameters: [owner, until, limit],
  };
}

/** The leases of other processes, those that end first before the others. */
export function leasesOfOthers(owner: string): Statement {
  return {
    sql: `select id, owner, lease_until from requests where ${underWay} and owner is not null and owner <> ?1 order by lease_until limit 1000`,
    parameters: [owner],
  };
}

/** Gives a request to `owner`, if the lease that was seen of it is still the one it has. */
export function takeOver(seen: SeenLease, { owner, until }: Lease): Statement {
  return {
    sql: `update requests set owner = ?1, lease_until = ?2 where id = ?3 and owner = ?4 and lease_until = ?5 and ${underWay} returning ${all}`,
    parameters: [owner, until, seen.id, seen.owner, seen.until],
  };
}

/** Sets the end of all leases of an owner; gives the ids. */
export function renew({ owner, until }: Lease): Statement {
  return { sql: `update requests set lease_until = ?2 where owner = ?1 and ${underWay} returning id`, parameters: [owner, until] };
}

/** Gives up the leases of an owner, but for requests that nobody would take without one: those end as what a process left that has gone. */
export function release(owner: string): Statement {
  return {
    sql: `update requests set owner = null, lease_until = null where owner = ?1 and ${underWay} and input is not null`,
    parameters: [owner],
  };
}

/** Deletes rows of requests that have ended and whose time is over, at most so many; gives their ids. */
export function prune(now: number, limit: number): Statement {
  // A reservation is booked with the end of its request, which every one has once its lease is over.
  const over = "expires_at <= ?1 and (ended_at is not null or (expires_at <= ?3 and reserved_nanos is null))";
  return {
    sql: `delete from requests where id in (select id from requests where ${over} limit ?2) returning id`,
    parameters: [now, limit, now - longestWay],
  };
}
