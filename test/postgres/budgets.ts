// Eight processes spend one budget at once, and some of them are killed. Run by run.sh.
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { createLedger } from "../../src/ledger/ledger.ts";
import { openPostgres } from "../../src/ledger/postgres.ts";
import { startPostgres, type PostgresServer } from "./server.ts";

const limit = 900;
const killed = 3;

describe("a budget that eight processes share", () => {
  let server: PostgresServer;
  let folder: string;
  before(async () => {
    server = await startPostgres();
    folder = await mkdtemp(join(tmpdir(), "pictor-budget-"));
  });
  after(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });

  it("is never overrun, and nothing stays reserved once what the killed ones left is ended", async () => {
    const url = await server.database();
    const database = await openPostgres(url);
    const ledger = createLedger({ database, folder });
    const figures = async () =>
      (await ledger.spending.of("ann", Date.now())).find(({ per }) => per === "total") ?? { spent: 0, reserved: 0 };
    const program = fileURLToPath(new URL("spender.js", import.meta.url));
    const children = Array.from({ length: 8 }, () => fork(program, [url, folder, String(limit)]));
    await Promise.all(children.map((child) => once(child, "message")));
    const ended = children.map((child) => outcomeOf(child));
    for (const child of children) child.send("go");

    let most = 0;
    const over = new AbortController();
    const watching = (async () => {
      while (!over.signal.aborted) {
        const { spent, reserved } = await figures();
        most = Math.max(most, spent + reserved);
        await delay(5);
      }
    })();
    while (most < limit / 3) await delay(5);
    for (const child of children.slice(0, killed)) child.kill("SIGKILL");
    const outcomes = await Promise.all(ended);
    over.abort();
    await watching;
    expect(outcomes.filter((outcome) => outcome === undefined)).to.have.length(killed);
    expect(outcomes.reduce((sum, outcome) => sum + (outcome?.refused ?? 0), 0)).to.be.greaterThan(0);
    expect(most).to.be.within(limit / 2, limit);

    // The requests of killed processes are ended as another process ends them once their leases are over.
    for (const seen of await ledger.leasesOfOthers("heir")) {
      const row = await ledger.takeOver(seen, { owner: "heir", until: Date.now() + 1000 });
      const status = row?.phase === undefined ? "failed" : "unknown";
      await ledger.update(seen.id, { status, endedAt: Date.now() }, ["in_progress"], "heir");
    }
    const rows = await database.run([
      { sql: "select cast(sum(charged_nanos) as bigint) as charged, count(*) - count(charged_nanos) as left from requests" },
    ]);
    expect({ ...(await figures()), left: rows[0]?.left }).to.include({ reserved: 0, spent: rows[0]?.charged, left: 0 });
    await ledger.close();
  }).timeout(120_000);
});

/** The message that a process ends with; undefined where it was killed. */
async function outcomeOf(child: ChildProcess): Promise<{ spent: number; refused: number } | undefined> {
  let told: { spent: number; refused: number } | undefined;
  child.on("message", (message) => (told = message as typeof told));
  await once(child, "exit");
  return told;
}
