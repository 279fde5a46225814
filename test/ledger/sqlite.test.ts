// The ledger on the embedded database.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import { expect } from "chai";
import { Unavailable } from "../../src/ledger/database.ts";
import { openSqlite } from "../../src/ledger/sqlite.ts";
import { deliveriesSuite } from "./deliveries-suite.ts";
import { jobsSuite } from "./jobs-suite.ts";
import { keysSuite } from "./keys-suite.ts";
import { spendingSuite } from "./spending-suite.ts";
import { ledgerSuite } from "./suite.ts";
import { usageSuite } from "./usage-suite.ts";

describe("a ledger on sqlite", () => {
  ledgerSuite((folder) => openSqlite(join(folder, "ledger.db")));
  deliveriesSuite((folder) => openSqlite(join(folder, "ledger.db")));
  usageSuite((folder) => openSqlite(join(folder, "ledger.db")));
  jobsSuite((folder) => openSqlite(join(folder, "ledger.db")));
  keysSuite((folder) => openSqlite(join(folder, "ledger.db")));

  describe("its budgets", () => spendingSuite((folder) => openSqlite(join(folder, "ledger.db"))));

  describe("its database", () => {
    let folder: string;
    beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), "pictor-sqlite-"))));
    afterEach(() => rm(folder, { recursive: true }));

    it("spoils no transaction with the mistake of another that is written with it", async () => {
      const database = await openSqlite(join(folder, "ledger.db"));
      const one = {
        sql: "insert into requests (id, client, model, operation, status, created_at, expires_at, n) values (?1, 'a', 'm', 'generate', 'failed', 1, 2, 1)",
      };
      const outcomes = await Promise.allSettled([
        database.run([{ ...one, parameters: ["first"] }]),
        database.run([
          { ...one, parameters: ["second"] },
          { ...one, parameters: ["first"] },
        ]),
        database.run([{ sql: "select nonsense" }]),
        database.run([{ ...one, parameters: ["third"] }]),
      ]);
      expect(outcomes.map(({ status }) => status)).to.deep.equal(["fulfilled", "rejected", "rejected", "fulfilled"]);
      expect(await database.run([{ sql: "select id from requests order by id" }])).to.deep.equal([{ id: "first" }, { id: "third" }]);
      await database.close();
    });

    it("says that a file is a newer version's, or no database", async () => {
      const file = join(folder, "ledger.db");
      const database = await openSqlite(file);
      await database.run([{ sql: "pragma user_version" }]);
      await database.close();
      const bytes = await readFile(file);
      bytes.writeUInt32BE(99, 60); // The place of user_version in the file's head.
      await writeFile(file, bytes);
      const reasonOf = (path: string) =>
        openSqlite(path).then(
          () => "",
          (error: unknown) => (error as Error).message,
        );
      expect(await reasonOf(file)).to.match(/newer version .*step 99/);
      await writeFile(join(folder, "other.db"), "no database at all, but long enough to be taken for one".repeat(40));
      expect(await reasonOf(join(folder, "other.db"))).to.match(/not a database/);
      expect(await reasonOf(join(folder, "none", "x.db"))).to.match(/unable to open/);
    });

    it("comes back where its thread broke down, and not once it is closed", async () => {
      let thread: Worker | undefined;
      process.once("worker", (worker) => (thread = worker));
      const database = await openSqlite(join(folder, "ledger.db"));
      const version = () => database.run([{ sql: "pragma user_version" }]);
      const before = await version();
      const broken = version().catch((reason: unknown) => reason);
      await thread?.terminate();
      expect(await broken).to.be.instanceOf(Unavailable);
      expect(await Promise.all([version(), version()])).to.deep.equal([before, before]);
      await database.close();
      expect(await version().catch((reason: unknown) => reason)).to.be.instanceOf(Unavailable);
    });

    it("is unavailable, and nothing else, while its file cannot be written, and comes back", async () => {
      const file = join(folder, "ledger.db");
      const database = await openSqlite(file);
      const other = await openSqlite(file);
      await database.run([{ sql: "pragma max_page_count = 1" }]);
      const large = "x".repeat(200_000);
      const insert = (id: string) =>
        database.run([
          {
            sql: "insert into requests (id, client, model, operation, status, created_at, expires_at, n, usage) values (?1, 'a', 'm', 'generate', 'failed', 1, 2, 1, ?2)",
            parameters: [id, large],
          },
        ]);
      const error: unknown = await insert("one").catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(Unavailable);
      await database.run([{ sql: "pragma max_page_count = 100000" }]);
      await insert("one");
      expect(await other.run([{ sql: "select id from requests" }])).to.deep.equal([{ id: "one" }]);
      await database.close();
      await other.close();
    });
  });
});
