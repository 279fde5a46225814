// Takes requests out of the ledger.
import { expect } from "chai";
import pino from "pino";
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
});
