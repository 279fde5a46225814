// Rows that wait in files while the database is away, and whose they are.
import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { RequestRow } from "../../src/ledger/row.ts";
import { createWaitingFile, leftBehind } from "../../src/ledger/waiting-file.ts";
import { rowAt } from "./suite.ts";

describe("rows that wait in files", () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), "pictor-waiting-"))));
  afterEach(() => rm(folder, { recursive: true }));

  const emptied = async () => {
    const rows: RequestRow[] = [];
    await createWaitingFile(folder).empty((some) => {
      rows.push(...some);
      return Promise.resolve();
    });
    return rows.map(({ id }) => id);
  };
  const leave = async (name: string, age = 0) => {
    const row = rowAt(1);
    await writeFile(join(folder, name), `${JSON.stringify(row)}\n{"id":"half a li`);
    const at = new Date(Date.now() - age);
    await utimes(join(folder, name), at, at);
    return row.id;
  };

  it("are handed on in their order, once", async () => {
    const file = createWaitingFile(folder);
    const rows = Array.from({ length: 450 }, () => rowAt(1));
    for (let at = 0; at < rows.length; at += 150) expect(await file.add(rows.slice(at, at + 150))).to.equal(true);
    expect(await emptied()).to.deep.equal(rows.map(({ id }) => id));
    expect(await emptied()).to.deep.equal([]);
    expect(await readdir(folder)).to.deep.equal([]);
  });

  it("wait on where they cannot be written", async () => {
    const file = createWaitingFile(folder);
    const row = rowAt(1);
    await file.add([row]);
    const failed = await file.empty(() => Promise.reject(new Error("away"))).catch((error: unknown) => (error as Error).message);
    expect(failed).to.equal("away");
    expect(await emptied()).to.deep.equal([row.id]);
  });

  it("are taken from a process that has ended, and from a machine that has been silent for an hour, and from no other", async () => {
    const ended = await leave(`ledger-${hostname()}-999999999.waiting`);
    await leave(`ledger-${hostname()}-${process.ppid}.waiting`);
    const gone = await leave("ledger-other-machine-1.waiting.5", leftBehind + 60_000);
    await leave("ledger-other-machine-2.waiting", leftBehind - 60_000);
    expect((await emptied()).sort()).to.deep.equal([ended, gone].sort());
    expect((await readdir(folder)).length).to.equal(2);
  });
});
