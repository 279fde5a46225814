// Keeps how much clients with a budget have spent and reserved, by day, month and in total.
import type { Database, Row, Statement, Value } from "./database.ts";
import type { RequestPatch, RequestRow } from "./row.ts";

/** The times for which a budget may be, in UTC. */
export const periods = ["day", "month", "total"] as const;

export type Period = (typeof periods)[number];

/** The most that a client may spend in a period, in nano-dollars. */
export interface Budget {
  per: Period;
  nanos: number;
}

/** The nano-dollars that a client has spent in a period, and those that are reserved for its requests under way. */
export interface Spending {
  client: string;
  per: Period;
  spent: number;
  reserved: number;
}

/** Rejects with `Unavailable` while the database cannot be reached. */
export interface Spendings {
  /** The figures of a client in the periods of a moment. Where they are asked for the first time, its rows of the period are added up. */
  of(client: string, at: number): Promise<Spending[]>;
  /** The same of all clients, as far as it was asked for of one, or reserved by it. */
  all(at: number): Promise<Spending[]>;
}

/** A request was not begun, since it could cost more than what is left of a budget of its client. */
export class OverBudget extends Error {
  /** The request that was not begun. */
  readonly request: RequestRow;
  readonly budgets: readonly Budget[];

  constructor(request: RequestRow, budgets: readonly Budget[]) {
    super("the request could cost more than what is left of a budget");
    this.name = "OverBudget";
    this.request = request;
    this.budgets = budgets;
  }
}

/** The period of a moment, from `since` to before `until`, in epoch milliseconds. A total has no end that anybody will see. */
export function boundsOf(per: Period, at: number): { since: number; until: number } {
  const date = new Date(at);
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
  if (per === "day") return { since: Date.UTC(year, month, day), until: Date.UTC(year, month, day + 1) };
  if (per === "month") return { since: Date.UTC(year, month), until: Date.UTC(year, month + 1) };
  return { since: 0, until: Number.MAX_SAFE_INTEGER };
}

export function createSpendings(database: Pick<Database, "run">): Spendings {
  const found = async (statements: Statement[]) => (await database.run(statements)).map(spendingOf);
  const columns = "client, per, spent, reserved";
  const now = "since <= ?1 and ?1 < until";
  return {
    of: (client, at) =>
      found([...open(client, at), { sql: `select ${columns} from spending where ${now} and client = ?2`, parameters: [at, client] }]),
    all: (at) => found([{ sql: `select ${columns} from spending where ${now}`, parameters: [at] }]),
  };
}

/** Begins the periods of a moment where they are not begun: what the client's requests cost before it had a budget counts as spent. */
function open(client: string, at: number): Statement[] {
  return [...periods].reverse().map((per) => {
    const { since, until } = boundsOf(per, at);
    return {
      sql: `insert into spending (client, per, since, until, spent, reserved)
        select cast(?1 as text), cast(?2 as text), cast(?3 as bigint), cast(?4 as bigint),
          (select coalesce(sum(cost_nanos), 0) from requests where client = ?1 and created_at >= ?3 and created_at < ?4), 0
        where not exists (select 1 from spending where client = ?1 and per = ?2 and since = ?3) on conflict do nothing`,
      parameters: [client, per, since, until],
    };
  });
}

/**
 * Reserve what a row says that it can cost: `before` goes before its insertion and `after` behind it, in one transaction. Where it does not fit,
 * the row is not there afterwards. The total of a client is locked first by everybody, so that nobody waits in a circle.
 */
export function reserving(
  { id, client, createdAt, reservedNanos: nanos = 0 }: RequestRow,
  budgets: readonly Budget[] | undefined,
): { before: Statement[]; after: Statement[] } {
  if (!budgets) return { before: [], after: [] };
  const limitOf = (per: Period) => Math.min(...budgets.filter((one) => one.per === per).map((one) => one.nanos));
  const limits = periods.map((per) => (Number.isFinite(limitOf(per)) ? limitOf(per) : null));
  const current = "client = ?1 and since <= ?2 and ?2 < until";
  const limit = "case per when 'day' then cast(?5 as bigint) when 'month' then cast(?6 as bigint) else cast(?7 as bigint) end";
  const before: Statement[] = [
    ...open(client, createdAt),
    { sql: "update spending set reserved = reserved where client = ?1 and per = 'total'", parameters: [client] },
  ];
  const after: Statement[] = [
    {
      // A free request passes a spent budget too.
      sql: `delete from requests where id = ?4 and cast(?3 as bigint) > 0
        and exists (select 1 from spending where ${current} and spent + reserved + cast(?3 as bigint) > ${limit})`,
      parameters: [client, createdAt, nanos, id, ...limits],
    },
    {
      sql: `update spending set reserved = reserved + cast(?3 as bigint) where ${current} and exists (select 1 from requests where id = ?4)`,
      parameters: [client, createdAt, nanos, id],
    },
  ];
  return { before, after };
}

/** The condition for the rows to which an end is written: SQL over the columns of `requests`, whose parameters begin with `first`. */
export type Guard = (first: number) => { sql: string; parameters: readonly Value[] };

/**
 * Books what a request cost that reserved something, with its end, in the same transaction and before it; nothing where the patch does not end it.
 * An end in place of another, such as a picture that came late, takes the place of what was booked.
 */
export function settle(id: string, patch: RequestPatch, guard: Guard, kind: Database["kind"]): Statement[] {
  if (patch.status === undefined || patch.endedAt === undefined) return [];
  const { sql: charge, parameters: cost } = chargeOf(patch);
  const { sql: condition, parameters } = guard(2 + cost.length);
  const values = [id, ...cost, ...parameters];
  const isMeant = `id = ?1 and reserved_nanos is not null${condition}`;
  return [
    // First the request and then the total: everybody takes them in this order.
    ...(kind === "postgres" ? [lock(id)] : []),
    {
      sql: `update spending set reserved = reserved - case when charged_nanos is null then reserved_nanos else 0 end,
          spent = spent + (${charge}) - coalesce(charged_nanos, 0)
        from requests where ${isMeant} and spending.client = requests.client and since <= created_at and created_at < until`,
      parameters: values,
    },
    { sql: `update requests set charged_nanos = ${charge} where ${isMeant}`, parameters: values },
  ];
}

function lock(id: string): Statement {
  const client = "select client from requests where id = ?1 and reserved_nanos is not null for update";
  return { sql: `select client from spending where per = 'total' and client = (${client}) for update`, parameters: [id] };
}

/** The cost of an end to its client: the bill; where there is none, all that was reserved if something may have been made, else nothing. */
function chargeOf({ status, costNanos }: RequestPatch): { sql: string; parameters: Value[] } {
  if (costNanos !== undefined) return { sql: "cast(?2 as bigint)", parameters: [costNanos] };
  if (status === "cancelled") return { sql: "case when phase is null then 0 else reserved_nanos end", parameters: [] };
  return { sql: status === "failed" ? "0" : "reserved_nanos", parameters: [] };
}

/** Time for which is kept what was spent in a day or a month, in milliseconds: the same month of the year before can be looked up. */
export const keptSpending = 400 * 86_400_000;

/** Deletes what was spent long ago. */
export function pruneSpending(now: number): Statement {
  return { sql: "delete from spending where until <= ?1 and reserved = 0", parameters: [now - keptSpending] };
}

function spendingOf({ client, per, spent, reserved }: Row): Spending {
  return { client: String(client), per: per as Period, spent: Number(spent), reserved: Number(reserved) };
}
