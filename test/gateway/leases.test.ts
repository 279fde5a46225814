// Leases on requests: what a process keeps, loses, and finds again.
import { mkdtemp, rm } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import pino from "pino";
import type { Candidate } from "../../src/gateway/candidate.ts";
import { orderLogs } from "../../src/gateway/order-log.ts";
import { hasEnded, ownName } from "../../src/ledger/owner.ts";
import { createRunner, type Runner } from "../../src/gateway/runner.ts";
import { createLedger, type Ledger } from "../../src/ledger/ledger.ts";
import type { RequestRow } from "../../src/ledger/row.ts";
import { openSqlite } from "../../src/ledger/sqlite.ts";
import type { PictureStore } from "../../src/picture/store.ts";
import { rowAt } from "../ledger/suite.ts";

const log = pino({ level: "silent" });

describe("gateway: leases on requests", () => {
  let folder: string;
  let ledger: Ledger;
  let runner: Runner | undefined;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "pictor-runner-"));
    ledger = createLedger({ database: await openSqlite(join(folder, "ledger.db")), folder });
  });
  afterEach(async () => {
    await runner?.close();
    runner = undefined;
    await ledger.close();
    await rm(folder, { recursive: true });
  });

  const owner = ownName();
  const begin = async (more: Partial<RequestRow> = {}) => {
    const row = rowAt(Date.now(), { owner, leaseUntil: Date.now() + 60_000, ...more });
    await ledger.add(row);
    return row;
  };
  it("one that was taken over is lost, and says how it stands", async () => {
    const row = await begin();
    await ledger.takeOver({ id: row.id, owner, until: row.leaseUntil ?? 0 }, { owner: "next", until: Date.now() + 60_000 });
    const standing = await new Promise<RequestRow | undefined>((resolve) => {
      runner = createRunner({
        ...{ ledger, owner, log, room: () => 0, serve: () => Promise.resolve(), underWay: () => [row] },
        lost: (_id, found) => resolve(found),
      });
    });
    expect(standing).to.include({ status: "in_progress", owner: "next" });
  });

  it("one that was taken over is not ordered by the process that stood still meanwhile", async () => {
    const row = await begin({ job: true });
    const route = { channel: { name: "acme" }, model: { id: "m" } };
    const orders = orderLogs(row, { ledger, log, store: {} as PictureStore, life: 60, keepInput: () => Promise.resolve("x") });
    const order = orders({ route, key: undefined } as unknown as Candidate);
    await ledger.takeOver({ id: row.id, owner, until: row.leaseUntil ?? 0 }, { owner: "next", until: Date.now() + 60_000 });
    const error: unknown = await order.sending().catch((reason: unknown) => reason);
    expect(error).to.include({ code: "shutting_down", status: 503 });
    expect((await ledger.find(row.id))?.phase).to.equal(undefined);
  });

  it("a process of another container is not known to have ended", () => {
    // A container on the network of its host has the host's name, and numbers of its own.
    expect(hasEnded(`${hostname()}/999999999/x`, owner)).to.equal(process.platform === "linux" ? undefined : true);
  });
});
