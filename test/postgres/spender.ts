// A process that spends of a key's budget, among others that do; run by budgets.ts, which may kill it at any moment.
import { createLedger } from "../../src/ledger/ledger.ts";
import { openPostgres } from "../../src/ledger/postgres.ts";
import { OverBudget, type Budget } from "../../src/ledger/spending.ts";
import { rowAt } from "../ledger/suite.ts";

const [url = "", folder = "", limit = "0"] = process.argv.slice(2);
const budgets: readonly Budget[] = [
  { per: "day", nanos: Number(limit) },
  { per: "total", nanos: Number(limit) },
];
const owner = `spender ${process.pid}`;
const ledger = createLedger({ database: await openPostgres(url), folder });

/** Ends as requests do: charged less than was reserved, released, or given up for lost. */
const ends = [{ status: "completed", costNanos: 1 }, { status: "failed" }, { status: "unknown" }] as const;

async function request(turn: number): Promise<"spent" | "refused"> {
  const row = {
    ...rowAt(Date.now(), { reservedNanos: 1 + (turn % 3), owner, leaseUntil: Date.now() + 1000 }),
    idempotency: `${owner} ${turn}`,
  };
  try {
    if (turn % 2 === 0) await ledger.add(row, { budgets });
    else await ledger.claim({ row, joins: true, since: 0, budgets });
  } catch (error) {
    if (error instanceof OverBudget) return "refused";
    throw error;
  }
  await ledger.update(row.id, { phase: "sending" }, ["in_progress"], owner);
  await ledger.update(row.id, { ...ends[turn % 3], endedAt: Date.now() }, ["in_progress"], owner);
  return "spent";
}

process.send?.("ready");
process.once("message", () => {
  void (async () => {
    const told = { spent: 0, refused: 0 };
    for (let turn = 0; turn < 200; turn += 8)
      for (const outcome of await Promise.all(Array.from({ length: 8 }, (_, index) => request(turn + index)))) told[outcome] += 1;
    await ledger.close();
    process.send?.(told);
    process.disconnect();
  })();
});
