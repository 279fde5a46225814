// Takes requests out of the ledger.
import { expect } from "chai";
import pino from "pino";
import { ownName } from "../../src/ledger/owner.ts";
import { createRunner } from "../../src/gateway/runner.ts";
import type { Ledger } from "../../src/ledger/ledger.ts";
import type { RequestRow } from "../../src/ledger/row.ts";
import { until } from "../http/setup.ts";
import { rowAt } from "../ledger/suite.ts";

describe("requests of the ledger", () => {
  it("are taken up again by the process that holds them where it could not serve them", async () => {
    const row: RequestRow = rowAt(Date.now(), { owner: "own", job: true, input: "document" });
    const waiting = [row];
    const ledger = {
      take: () => Promise.resolve(waiting.splice(0)),
      leasesOfOthers: () => Promise.resolve([]),
      renew: () => Promise.resolve(new Set([row.id])),
      find: () => Promise.resolve(row),
      prune: () => Promise.resolve(0),
      release: () => Promise.resolve(),
    } as Partial<Ledger> as Ledger;
    const served: string[] = [];
    const serve = ({ id }: RequestRow) => {
      served.push(id);
      return served.length === 1 ? Promise.reject(new Error("the ledger was away")) : Promise.resolve();
    };
    const log = pino({ level: "silent" });
    const runner = createRunner({ ledger, owner: "own", log, room: () => 5, serve, underWay: () => [], lost: () => undefined });
    await until(() => served.length === 2);
    expect(served).to.deep.equal([row.id, row.id]);
    await runner.close();
  });

  it("are served once, and their leases renewed, while others are being taken over", async () => {
    const gone = ownName().replace(/\/\d+\//, "/999999999/");
    const row: RequestRow = rowAt(Date.now(), { owner: "own", job: true, input: "document" });
    let renewals = 0;
    let looks = 0;
    let takeOver!: (row: RequestRow) => void;
    const ledger = {
      take: () => Promise.resolve([]),
      leasesOfOthers: () => Promise.resolve([{ id: row.id, owner: gone, until: 1 }].splice(looks++)),
      takeOver: () => new Promise<RequestRow>((resolve) => (takeOver = resolve)),
      // The database has given it to this process; only the answer is not there yet.
      renew: () => Promise.resolve(new Set((renewals += 1) > 1 ? [row.id] : [])),
      find: () => Promise.resolve(row),
      prune: () => Promise.resolve(0),
      release: () => Promise.resolve(),
    } as Partial<Ledger> as Ledger;
    const served: string[] = [];
    const serve = ({ id }: RequestRow) => new Promise<void>(() => served.push(id));
    const log = pino({ level: "silent" });
    const parts = { ledger, owner: ownName(), log, room: () => 5, serve, underWay: () => [], lost: () => undefined, every: 5 };
    row.owner = parts.owner;
    const runner = createRunner(parts);
    await until(() => renewals > 3);
    expect(served).to.deep.equal([]);
    takeOver(row);
    await until(() => renewals > 6);
    expect(served).to.deep.equal([row.id]);
    await runner.close();
  });
});
