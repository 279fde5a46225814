// What the ledger is told of an order under way.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import pino from "pino";
import type { Candidate } from "../../src/gateway/candidate.ts";
import { orderLogs } from "../../src/gateway/order-log.ts";
import { Unavailable } from "../../src/ledger/database.ts";
import type { Ledger } from "../../src/ledger/ledger.ts";
import type { RequestRow } from "../../src/ledger/row.ts";
import { openFolderStore } from "../../src/picture/folder-store.ts";
import { rowAt } from "../ledger/suite.ts";

describe("what the ledger is told of an order", () => {
  it("is written later where the ledger is away as a provider accepts its task", async () => {
    const folder = await mkdtemp(join(tmpdir(), "pictor-order-"));
    const store = await openFolderStore({ folder, life: 3600 });
    const recorded: RequestRow[] = [];
    const ledger = {
      update: () => Promise.reject(new Unavailable("unplugged")),
      record: (row) => recorded.push({ ...row }),
    } as Partial<Ledger> as Ledger;
    const row = rowAt(Date.now());
    const log = pino({ level: "silent" });
    const orders = orderLogs(row, { ledger, store, log, life: 60, keepInput: () => Promise.resolve("input") });
    const candidate = { route: { channel: { name: "c" }, model: { id: "m" } } } as Candidate;
    await orders(candidate).accepted({ submission: { status: 200, headers: {}, body: { id: "t" } }, before: {} });
    expect(recorded).to.have.length(1);
    expect(recorded[0]).to.deep.include({ id: row.id, phase: "accepted", input: "input" });
    expect(recorded[0]?.task).to.deep.include({ channel: "c", model: "m" });
    await store.close();
    await rm(folder, { recursive: true });
  });
});
