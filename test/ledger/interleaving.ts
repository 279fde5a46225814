// Random lives of the requests of one key, played on the ledger and on a model of it that is too simple to be wrong.
import { randomUUID } from "node:crypto";
import { expect } from "chai";
import type { Database } from "../../src/ledger/database.ts";
import type { Ledger } from "../../src/ledger/ledger.ts";
import type { RequestPatch, RequestRow } from "../../src/ledger/row.ts";
import { boundsOf, OverBudget, periods, type Budget, type Period } from "../../src/ledger/spending.ts";
import { seeded } from "../helpers/random.ts";
import type { LedgerHouse } from "./house.ts";
import { rowAt } from "./suite.ts";

const steps = 14;
const together = 250;
const hour = 3_600_000;

/** A request as the model knows it. */
interface Known {
  row: RequestRow;
  reserved: number;
  /** Set once it has ended. */
  charged?: number;
  status: RequestRow["status"];
}

export type Counts = Record<
  "interleavings" | "refused" | "completed" | "failed" | "unknown" | "cancelled" | "crashed" | "joined" | "late" | "burst",
  number
>;

/** Play so many interleavings, many at once, each on a key of its own; the ledgers are opened anew again and again. Gives what happened how often. */
export async function interleave(house: LedgerHouse, open: (folder: string) => Promise<Database>, wanted: number): Promise<Counts> {
  const counts: Counts = {
    ...{ interleavings: 0, refused: 0, completed: 0, failed: 0, unknown: 0, cancelled: 0, crashed: 0, joined: 0, late: 0, burst: 0 },
  };
  for (let begun = 0; begun < wanted; begun += together) {
    const processes = [await house.ledger(), await house.ledger()];
    const keys = Array.from({ length: Math.min(together, wanted - begun) }, (_, index) => createKey(`key-${begun + index}`, house.now));
    await Promise.all(keys.map((key) => play(key, processes, counts)));
    for (const one of processes) await one.close();
    // As a process finds it that begins anew.
    const rebuilt = await house.ledger();
    await Promise.all(keys.map((key) => endAll(key, rebuilt)));
    for (const key of keys) await compare(key, rebuilt);
    await rebuilt.close();
    const database = await open(house.folder);
    for (const key of keys) await sumRows(key, database);
    await database.close();
    counts.interleavings += keys.length;
  }
  return counts;
}

type Key = ReturnType<typeof createKey>;

function createKey(client: string, began: number) {
  const seed = Number(client.slice("key-".length));
  const random = seeded(seed * 7919 + 1);
  // The first numbers of neighbours are neighbours.
  for (let index = 0; index < 5; index += 1) random();
  const upTo = (most: number) => Math.floor(random() * (most + 1));
  const budgets: Budget[] = periods
    .filter((per) => per === "day" || random() < 0.5)
    .map((per) => ({ per, nanos: { day: 20, month: 30, total: 40 }[per] + upTo(10) }));
  return { client, random, upTo, budgets, now: began, requests: [] as Known[], owner: 0 };
}

/** The amounts that the model has as spent and reserved in the period of now. */
function figures({ requests, now }: Key, per: Period): { spent: number; reserved: number } {
  const { since, until } = boundsOf(per, now);
  const all = requests.filter(({ row }) => since <= row.createdAt && row.createdAt < until);
  return {
    spent: all.reduce((sum, { charged = 0 }) => sum + charged, 0),
    reserved: all.reduce((sum, { charged, reserved }) => sum + (charged === undefined ? reserved : 0), 0),
  };
}

function fits(key: Key, nanos: number): boolean {
  return key.budgets.every((budget) => {
    const { spent, reserved } = figures(key, budget.per);
    return nanos === 0 || spent + reserved + nanos <= budget.nanos;
  });
}

async function play(key: Key, processes: readonly Ledger[], counts: Counts): Promise<void> {
  const { random, upTo } = key;
  for (let step = 0; step < steps; step += 1) {
    const ledger = processes[upTo(processes.length - 1)]!;
    const underWay = key.requests.filter(({ charged }) => charged === undefined);
    const one = underWay[upTo(underWay.length - 1)];
    const chance = random();
    if (chance < 0.1) key.now += upTo(30) * hour;
    if (!one || chance < 0.4) await begin(key, ledger, counts);
    else if (chance < 0.48) await burst(key, processes, counts);
    else if (chance < 0.55) await join(key, ledger, one, counts);
    else if (chance < 0.65) await crash(key, ledger, one, counts);
    else if (chance < 0.72) await comeLate(key, ledger, counts);
    else await end(key, ledger, one, counts);
    if (random() < 0.3) await compare(key, ledger);
  }
}

function costing(key: Key, nanos: number): RequestRow & { idempotency: string } {
  const more = { client: key.client, reservedNanos: nanos, owner: `o${key.owner}`, leaseUntil: key.now, idempotency: randomUUID() };
  return { ...rowAt(key.now, more), idempotency: more.idempotency };
}

/** Resolves with whether the ledger began it. */
async function ask(ledger: Ledger, row: RequestRow & { idempotency: string }, key: Key): Promise<boolean> {
  const { budgets, random } = key;
  const asked = random() < 0.5 ? ledger.add(row, { budgets }) : ledger.claim({ row, joins: random() < 0.5, since: 0, budgets });
  return asked.then(
    () => true,
    (error: unknown) => {
      expect(error).to.be.instanceOf(OverBudget);
      return false;
    },
  );
}

async function begin(key: Key, ledger: Ledger, counts: Counts): Promise<void> {
  const nanos = key.upTo(12);
  const row = costing(key, nanos);
  const isBegun = await ask(ledger, row, key);
  expect(isBegun, `${key.client}: ${nanos} more`).to.equal(fits(key, nanos));
  if (isBegun) key.requests.push({ row, reserved: nanos, status: "in_progress" });
  else counts.refused += 1;
}

/** Many at once, of which nobody can say which are begun. */
async function burst(key: Key, processes: readonly Ledger[], counts: Counts): Promise<void> {
  const nanos = 1 + key.upTo(6);
  const rows = Array.from({ length: 6 }, () => costing(key, nanos));
  const begun = await Promise.all(rows.map((row, index) => ask(processes[index % processes.length]!, row, key)));
  for (const [index, row] of rows.entries()) {
    if (!begun[index]) continue;
    expect(fits(key, nanos), `${key.client}: one more of ${nanos}`).to.equal(true);
    key.requests.push({ row, reserved: nanos, status: "in_progress" });
  }
  if (begun.includes(false)) expect(fits(key, nanos), `${key.client}: ${nanos} had found room`).to.equal(false);
  counts.burst += 1;
}

async function join(key: Key, ledger: Ledger, { row }: Known, counts: Counts): Promise<void> {
  const again = { ...costing(key, 5), idempotency: String(row.idempotency) };
  expect((await ledger.claim({ row: again, joins: true, since: 0, budgets: key.budgets })).id).to.equal(row.id);
  counts.joined += 1;
}

/** The process of a request goes, before its order left or after it, and another ends what it left. */
async function crash(key: Key, ledger: Ledger, one: Known, counts: Counts): Promise<void> {
  const isSending = key.random() < 0.5;
  const owner = `o${(key.owner += 1)}`;
  if (isSending) await ledger.update(one.row.id, { phase: "sending" }, ["in_progress"], one.row.owner);
  const seen = { id: one.row.id, owner: String(one.row.owner), until: Number(one.row.leaseUntil) };
  expect(await ledger.takeOver(seen, { owner, until: key.now })).to.not.equal(undefined);
  // Should it live still, it has no say any more.
  await ledger.update(one.row.id, { status: "failed", endedAt: key.now, costNanos: 0 }, ["in_progress"], one.row.owner);
  await write(key, ledger, one, { owner, patch: { status: isSending ? "unknown" : "failed" } });
  one.charged = isSending ? one.reserved : 0;
  counts.crashed += 1;
}

async function end(key: Key, ledger: Ledger, one: Known, counts: Counts): Promise<void> {
  const status = (["completed", "failed", "unknown", "cancelled"] as const)[key.upTo(3)]!;
  // A tenth of the bills are higher than anybody could know, and are booked as they are.
  const bill = key.random() < 0.1 ? one.reserved + 3 : key.upTo(one.reserved);
  const isBilled = key.random() < 0.7;
  const costs = status === "completed" || status === "unknown";
  const cost = costs ? (isBilled ? bill : undefined) : 0;
  await write(key, ledger, one, { owner: one.row.owner, patch: { status, ...(costs && isBilled && { costNanos: cost }) } });
  one.charged = cost ?? one.reserved;
  counts[status] += 1;
}

/** A picture that was given up for lost is there after all. */
async function comeLate(key: Key, ledger: Ledger, counts: Counts): Promise<void> {
  const one = key.requests.find(({ status }) => status === "unknown");
  if (!one) return;
  const bill = key.upTo(one.reserved);
  await write(key, ledger, one, { owner: undefined, patch: { status: "completed", costNanos: bill } });
  one.charged = bill;
  counts.late += 1;
}

async function write(
  key: Key,
  ledger: Ledger,
  one: Known,
  { owner, patch }: { owner: string | undefined; patch: RequestPatch },
): Promise<void> {
  const ended = { ...patch, endedAt: key.now };
  one.status = patch.status ?? one.status;
  if (key.random() < 0.8) {
    expect(await ledger.update(one.row.id, ended, ["in_progress", ...(owner === undefined ? (["unknown"] as const) : [])], owner)).to.equal(
      true,
    );
    return;
  }
  ledger.record({ ...one.row, owner, ...ended });
  await ledger.settled();
  expect(ledger.state).to.deep.equal({ isAway: false, lost: 0 });
}

/** A process that begins anew ends all that was left. */
async function endAll(key: Key, ledger: Ledger): Promise<void> {
  for (const one of key.requests.filter(({ charged }) => charged === undefined)) {
    await ledger.update(one.row.id, { status: "unknown", endedAt: key.now }, ["in_progress"]);
    one.charged = one.reserved;
  }
}

/** The ledger knows of a key what the model knows. */
async function compare(key: Key, ledger: Ledger): Promise<void> {
  for (const { per, spent, reserved } of await ledger.spending.of(key.client, key.now))
    expect({ spent, reserved }, `${key.client} per ${per}`).to.deep.equal(figures(key, per));
}

/** The sum of all charges of the rows is what is spent, and nothing is reserved once all is over. */
async function sumRows({ client }: Key, database: Database): Promise<void> {
  const rows = "from requests where requests.client = spending.client and since <= created_at and created_at < until";
  const wrong = await database.run([
    {
      sql: `select * from spending where client = ?1
        and (reserved <> 0 or spent <> (select coalesce(sum(charged_nanos), 0) ${rows}) or exists (select 1 ${rows} and charged_nanos is null))`,
      parameters: [client],
    },
  ]);
  expect(wrong).to.deep.equal([]);
}
