// The ledger on a real PostgreSQL, which is killed and comes back. Run by run.sh.
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Unavailable } from "../../src/ledger/database.ts";
import { createLedger } from "../../src/ledger/ledger.ts";
import { openPostgres } from "../../src/ledger/postgres.ts";
import { deliveriesSuite } from "../ledger/deliveries-suite.ts";
import { jobsSuite } from "../ledger/jobs-suite.ts";
import { keysSuite } from "../ledger/keys-suite.ts";
import { spendingSuite } from "../ledger/spending-suite.ts";
import { ledgerSuite, rowAt } from "../ledger/suite.ts";
import { usageSuite } from "../ledger/usage-suite.ts";
import { startPostgres, type PostgresServer } from "./server.ts";

describe("a ledger on postgresql", () => {
  let server: PostgresServer;
  before(async () => (server = await startPostgres()));
  after(() => server.close());

  describe("does what every ledger does", () => {
    const urls = new Map<string, Promise<string>>();
    const open = async (folder: string) => {
      if (!urls.has(folder)) urls.set(folder, server.database());
      return openPostgres((await urls.get(folder)) ?? "");
    };
    ledgerSuite(open);
    deliveriesSuite(open);
    usageSuite(open);
    jobsSuite(open);
    keysSuite(open);
  });

  describe("keeps budgets as every ledger does: they", () => {
    const urls = new Map<string, Promise<string>>();
    spendingSuite(async (folder) => {
      if (!urls.has(folder)) urls.set(folder, server.database());
      return openPostgres((await urls.get(folder)) ?? "");
    });
  });

  it("is migrated once by instances that start at the same time", async () => {
    const url = await server.database();
    const databases = await Promise.all(Array.from({ length: 5 }, () => openPostgres(url)));
    expect(await databases[0]!.run([{ sql: "select step from ledger_version" }])).to.have.length(1);
    for (const database of databases) await database.close();
  });

  it("takes nothing of a transaction that fails", async () => {
    const database = await openPostgres(await server.database());
    const error: unknown = await database
      .run([{ sql: "insert into ledger_version (step) values (1)" }, { sql: "select nonsense" }])
      .catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(Error).and.not.instanceOf(Unavailable);
    expect(await database.run([{ sql: "select step from ledger_version" }])).to.have.length(1);
    await database.close();
  });

  it("takes its locks from a process that stands still in the middle of a transaction", async () => {
    const database = await openPostgres(await server.database());
    const limits = await Promise.all(
      ["idle_in_transaction_session_timeout", "statement_timeout"].map((name) => database.run([{ sql: `show ${name}` }])),
    );
    expect(limits.flat()).to.deep.equal([{ idle_in_transaction_session_timeout: "5s" }, { statement_timeout: "10s" }]);
    await database.close();
  });

  it("is unavailable while the server is down, keeps what is recorded meanwhile, and comes back by itself", async () => {
    const folder = await mkdtemp(join(tmpdir(), "pictor-ledger-"));
    const told: boolean[] = [];
    const ledger = createLedger({
      database: await openPostgres(await server.database()),
      folder,
      changed: (isAway) => told.push(isAway),
    });
    const rows = Array.from({ length: 5_000 }, () => rowAt(Date.now()));
    await ledger.add(rows[0]!);
    await server.kill();
    for (const row of rows) ledger.record(row);
    const error: unknown = await ledger.find("no such id").catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(Unavailable);
    while (!(await readdir(folder)).some((name) => name.endsWith(".waiting"))) await new Promise((resolve) => setTimeout(resolve, 20));
    await server.start();
    await ledger.settled();
    expect((await ledger.list({ limit: 10_000 })).length).to.equal(5_000);
    expect(told).to.deep.equal([true, false]);
    expect(ledger.state).to.deep.equal({ isAway: false, lost: 0 });
    await ledger.close();
    await rm(folder, { recursive: true });
  });
});
