// Adds up what requests cost: by day, by model and by client.
import type { Database, Row, Statement } from "./database.ts";

/** The requests that are added up: those that began on the days from `first` to `last`, which are numbered from 1970-01-01 on, in UTC. */
export interface UsageFilter {
  /** The requests of this client alone; those of all when omitted. */
  client?: string;
  first: number;
  last: number;
}

/** Sums over requests. Amounts are in nano-dollars. */
export interface Sums {
  requests: number;
  /** Pictures made. */
  pictures: number;
  /** Their cost, as far as it is known, with `uncertainNanos`. */
  nanos: number;
  /** Requests of which nobody knows whether something was made, and the most that they can have cost. */
  uncertain: number;
  uncertainNanos: number;
  /** Requests that cost an amount that nobody knows. */
  unpriced: number;
}

/** The sums of the same requests, by the numbers of days and by names. */
export interface Usage {
  days: Map<number, Sums>;
  models: Map<string, Sums>;
  clients: Map<string, Sums>;
}

/** Milliseconds of a day. */
export const dayLength = 86_400_000;

/** The number of the day of a time in epoch milliseconds. */
export const dayOf = (time: number) => Math.floor(time / dayLength);

/** Add up. Each day is a query of its own: the sums of a month can take seconds, and requests wait for the ledger. Rejects with `Unavailable`. */
export async function usageIn({ run }: Pick<Database, "run">, { client, first, last }: UsageFilter): Promise<Usage> {
  const usage: Usage = { days: new Map(), models: new Map(), clients: new Map() };
  const [{ oldest = null, newest = null } = {}] = await run([spanOf(client)]);
  if (oldest === null || newest === null) return usage;
  // A thousand years that somebody asks for are answered at once.
  const until = Math.min(last, dayOf(Number(newest)));
  for (let day = Math.max(first, dayOf(Number(oldest))); day <= until; day += 1)
    for (const row of await run([sumsOfDay(day, client)])) {
      const sums = sumsOf(row);
      add(usage.days, day, sums);
      add(usage.models, String(row.model), sums);
      add(usage.clients, String(row.client), sums);
    }
  return usage;
}

/** The sum of sums. */
export function totalOf(all: Iterable<Sums>): Sums {
  const total: Sums = { requests: 0, pictures: 0, nanos: 0, uncertain: 0, uncertainNanos: 0, unpriced: 0 };
  for (const sums of all) for (const name of names) total[name] += sums[name];
  return total;
}

function add<Name>(all: Map<Name, Sums>, name: Name, sums: Sums): void {
  const before = all.get(name);
  all.set(name, before ? totalOf([before, sums]) : sums);
}

const sqlOf: Readonly<Record<keyof Sums, string>> = {
  requests: "count(*)",
  pictures: "coalesce(sum(made), 0)",
  nanos: "coalesce(sum(cost_nanos), 0)",
  uncertain: "count(case when cost_from = 'uncertain' then 1 end)",
  uncertainNanos: "coalesce(sum(case when cost_from = 'uncertain' then cost_nanos end), 0)",
  unpriced: "count(case when cost_from = 'unpriced' then 1 end)",
};
const names = Object.keys(sqlOf) as (keyof Sums)[];
// As texts: the databases have numbers that JavaScript has not.
const sums = names.map((name) => `cast(${sqlOf[name]} as text) as "${name}"`).join(", ");

function sumsOfDay(day: number, client: string | undefined): Statement {
  const ofClient = client === undefined ? "" : " and client = ?3";
  return {
    sql: `select client, model, ${sums} from requests where created_at >= ?1 and created_at < ?2${ofClient} group by client, model`,
    parameters: [day * dayLength, (day + 1) * dayLength, ...(client === undefined ? [] : [client])],
  };
}

/** The first and the last row, which are found without reading those between them. */
function spanOf(client: string | undefined): Statement {
  const rows = `from requests${client === undefined ? "" : " where client = ?1"}`;
  return {
    sql: `select (select min(created_at) ${rows}) as oldest, (select max(created_at) ${rows}) as newest`,
    parameters: client === undefined ? [] : [client],
  };
}

function sumsOf(row: Row): Sums {
  return Object.fromEntries(names.map((name) => [name, Number(row[name])])) as unknown as Sums;
}
