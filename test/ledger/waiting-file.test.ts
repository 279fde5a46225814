// Rows that wait in files while the database is away, and whose they are.
import { mkdtemp, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
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

  const emptied = async (file = createWaitingFile(folder)) => {
    const rows: RequestRow[] = [];
    await file.empty((some) => {
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
    expect(await emptied(file)).to.deep.equal(rows.map(({ id }) => id));
    expect(await emptied(file)).to.deep.equal([]);
    expect(await readdir(folder)).to.deep.equal([]);
  });

  it("wait on where they cannot be written", async () => {
    const file = createWaitingFile(folder);
    const row = rowAt(1);
    await file.add([row]);
    const failed = await file.empty(() => Promise.reject(new Error("away"))).catch((error: unknown) => (error as Error).message);
    expect(failed).to.equal("away");
    expect(await emptied(file)).to.deep.equal([row.id]);
  });

  it("are taken from a process that has ended, and from one elsewhere that has been silent for long, and from no other", async () => {
    await createWaitingFile(folder).add([rowAt(1)]);
    const [own = ""] = await readdir(folder);
    const [before = "", after = ""] = own.split(`-${process.pid}-`);
    await rm(join(folder, own));
    const taken = [
      await leave(`${before}-999999999-${after}`),
      await leave(`${before}-999999999-${after}.${Date.now()}-0`),
      await leave(`${before.slice(0, -8)}00000000-${process.pid}-${after}`, leftBehind + 60_000),
      // As earlier versions named them.
      await leave(`ledger-${hostname()}-999999999.waiting`),
      await leave("ledger-other-machine-1.waiting.5", leftBehind + 60_000),
    ];
    const others = [
      `${before}-${process.ppid}-${after}`,
      // Another container with the same host's name, and a process of the same number.
      `${before.slice(0, -8)}00000000-${process.pid}-x00000000.waiting`,
      `ledger-${hostname()}-${process.ppid}.waiting`,
      "ledger-other-machine-2.waiting",
      "ledger.db",
    ];
    for (const name of others) await leave(name, name === "ledger.db" ? 2 * leftBehind : leftBehind - 60_000);
    expect((await emptied()).sort()).to.deep.equal(taken.sort());
    expect((await readdir(folder)).sort()).to.deep.equal(others.sort());
  });

  it("are those of one process each, also where two have the same number and host", async () => {
    const both = [createWaitingFile(folder), createWaitingFile(folder)];
    for (const file of both) await file.add([rowAt(1)]);
    expect(await readdir(folder)).to.have.length(2);
    await both[0]!.empty(() => Promise.resolve());
    expect(await readdir(folder)).to.have.length(1);
  });

  it("are handed on by one of two that take them", async () => {
    const left = await Promise.all(Array.from({ length: 20 }, (_, index) => leave(`ledger-${hostname()}-${999_999_000 + index}.waiting`)));
    const taken = await Promise.all([emptied(), emptied()]);
    expect(taken.flat().sort()).to.deep.equal(left.sort());
  });

  it("stay those of a process that touches them, however long it adds nothing", async () => {
    const file = createWaitingFile(folder);
    await file.add([rowAt(1)]);
    const [own = ""] = await readdir(folder);
    await utimes(join(folder, own), new Date(0), new Date(0));
    await file.touch();
    expect((await stat(join(folder, own))).mtimeMs).to.be.above(Date.now() - 60_000);
  });
});
