// The suite of budgets, for every database of the ledger.
import { expect } from "chai";
import { TooManyJobs } from "../../src/ledger/beginnings.ts";
import type { Database } from "../../src/ledger/database.ts";
import type { Ledger } from "../../src/ledger/ledger.ts";
import type { RequestPatch, RequestRow } from "../../src/ledger/row.ts";
import { keptSpending, OverBudget, type Budget, type Period } from "../../src/ledger/spending.ts";
import { runs } from "../fuzz/runs.ts";
import { interleave } from "./interleaving.ts";
import { ledgerHouse } from "./house.ts";
import { rowAt } from "./suite.ts";

const day = 86_400_000;
const ten: readonly Budget[] = [{ per: "day", nanos: 10 }];

/** True where the row was added. */
export function added(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    (error: unknown) => {
      if (error instanceof OverBudget) return false;
      throw error;
    },
  );
}

/** Describe budgets on databases that `open` opens; all of one test are the same database, and each test has a fresh one. */
export function spendingSuite(open: (folder: string) => Promise<Database>): void {
  const house = ledgerHouse(open);
  const costing = (reservedNanos: number, more: Partial<RequestRow> = {}) => rowAt(house.now, { reservedNanos, ...more });
  const ended = (patch: RequestPatch): RequestPatch => ({ endedAt: house.now, ...patch });

  async function figures(one: Ledger, per: Period = "day"): Promise<[spent: number, reserved: number]> {
    const found = (await one.spending.of("ann", house.now)).find((spending) => spending.per === per);
    return [found?.spent ?? -1, found?.reserved ?? -1];
  }

  it("reserve what fits, and begin nothing that does not", async () => {
    const one = await house.ledger();
    const refused = costing(7);
    expect(await added(one.add(costing(4), { budgets: ten }))).to.equal(true);
    expect(await added(one.add(refused, { budgets: ten }))).to.equal(false);
    expect(await one.find(refused.id)).to.equal(undefined);
    expect(await added(one.add(costing(6), { budgets: ten }))).to.equal(true);
    expect(await added(one.add(costing(1), { budgets: ten }))).to.equal(false);
    expect(await added(one.add(costing(0), { budgets: ten }))).to.equal(true);
    expect(await added(one.add(rowAt(house.now), { budgets: ten }))).to.equal(true);
    expect(await figures(one)).to.deep.equal([0, 10]);
    const job = costing(1, { job: true });
    const error: unknown = await one.add(job, { budgets: ten, mostJobs: 0 }).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(TooManyJobs);
    // Another client has a budget of its own.
    expect(await added(one.add(costing(10, { client: "bob" }), { budgets: ten }))).to.equal(true);
    expect(
      (await one.spending.all(house.now)).filter(({ per }) => per === "day").map(({ client, reserved }) => [client, reserved]),
    ).to.have.deep.members([
      ["ann", 10],
      ["bob", 10],
    ]);
  });

  it("let no more through where many come at once, from several processes", async () => {
    const both = [await house.ledger(), await house.ledger()];
    const all = await Promise.all(Array.from({ length: 50 }, (_, index) => added(both[index % 2]!.add(costing(1), { budgets: ten }))));
    expect(all.filter(Boolean)).to.have.length(10);
    expect(await figures(both[0]!)).to.deep.equal([0, 10]);
  });

  it("are charged with the end of each request: its bill, nothing, or all that was reserved", async () => {
    const one = await house.ledger();
    const ends: [number, RequestPatch, Partial<RequestRow>?][] = [
      [3, { status: "completed", costNanos: 3 }],
      [0, { status: "completed", costNanos: 0 }],
      [4, { status: "completed" }],
      [9, { status: "completed", costNanos: 9 }], // A bill may be higher than anybody knew.
      [0, { status: "failed" }],
      [2, { status: "failed", costNanos: 2 }],
      [4, { status: "unknown" }],
      [3, { status: "unknown", costNanos: 3 }],
      [0, { status: "cancelled" }],
      [4, { status: "cancelled" }, { phase: "sending" }],
    ];
    for (const [cost, patch, more] of ends)
      for (const way of ["update", "record"] as const) {
        const [before] = await figures(one);
        const row = costing(4, more);
        await one.add(row, { budgets: [{ per: "total", nanos: 1000 }] });
        expect((await figures(one))[1]).to.equal(4);
        if (way === "update") expect(await one.update(row.id, ended(patch), ["in_progress"])).to.equal(true);
        else one.record({ ...row, ...ended(patch) });
        await one.settled();
        expect(await figures(one), `${JSON.stringify(patch)} by ${way}`).to.deep.equal([before + cost, 0]);
        // It has ended: nothing is charged for it once more.
        await one.update(row.id, ended({ status: "failed" }), ["in_progress"]);
        expect(await figures(one)).to.deep.equal([before + cost, 0]);
      }
  });

  it("take a picture that came late for what it costs, in place of the most that it could", async () => {
    const one = await house.ledger();
    for (const way of ["update", "record"] as const) {
      const [before] = await figures(one);
      const row = costing(4, { owner: "o", phase: "sending" });
      await one.add(row, { budgets: [{ per: "total", nanos: 1000 }] });
      await one.update(row.id, ended({ status: "unknown" }), ["in_progress"], "o");
      expect(await figures(one)).to.deep.equal([before + 4, 0]);
      if (way === "update") await one.update(row.id, ended({ status: "completed", costNanos: 1 }), ["in_progress", "unknown"]);
      else one.record({ ...row, ...ended({ status: "completed", costNanos: 1 }) });
      await one.settled();
      expect(await figures(one), way).to.deep.equal([before + 1, 0]);
    }
  });

  it("are not charged by a process that has lost the request to another", async () => {
    const one = await house.ledger();
    for (const owner of ["o", undefined]) {
      const row = costing(4, { owner: "next" });
      await one.add(row, { budgets: ten });
      expect(await one.update(row.id, ended({ status: "unknown" }), ["in_progress"], "o")).to.equal(false);
      expect(await figures(one)).to.deep.equal([0, 4]);
      one.record({ ...row, owner, ...ended({ status: "failed" }) });
      await one.settled();
      // A row that names nobody ends it, as it always did.
      expect(await figures(one)).to.deep.equal([0, owner === "o" ? 4 : 0]);
      await one.update(row.id, ended({ status: "failed" }), ["in_progress"]);
      expect(await figures(one)).to.deep.equal([0, 0]);
    }
  });

  it("reserve nothing for a request that joins another", async () => {
    const one = await house.ledger();
    const claim = async (row: RequestRow) =>
      (await one.claim({ row: { ...row, idempotency: "k" }, joins: true, since: 0, budgets: ten })).id;
    const first = costing(6);
    expect(await claim(first)).to.equal(first.id);
    expect(await claim(costing(6))).to.equal(first.id);
    expect(await figures(one)).to.deep.equal([0, 6]);
    await one.update(first.id, ended({ status: "completed", costNanos: 5 }));
    expect(await claim(costing(6))).to.equal(first.id);
    expect(await figures(one)).to.deep.equal([5, 0]);
    expect(await added(one.claim({ row: { ...costing(6), idempotency: "l" }, joins: true, since: 0, budgets: ten }))).to.equal(false);
  });

  it("begin anew with each day and month, and charge a request to those in which it began", async () => {
    const one = await house.ledger();
    house.now = Date.UTC(2027, 0, 31, 23, 59);
    const budgets: Budget[] = [
      { per: "day", nanos: 5 },
      { per: "month", nanos: 8 },
      { per: "total", nanos: 12 },
    ];
    const over = costing(5);
    expect(await added(one.add(over, { budgets }))).to.equal(true);
    house.now = Date.UTC(2027, 1, 1);
    expect([await figures(one, "day"), await figures(one, "month"), await figures(one, "total")]).to.deep.equal([
      [0, 0],
      [0, 0],
      [0, 5],
    ]);
    await one.update(over.id, ended({ status: "completed", costNanos: 4 }));
    for (const [nanos, fits] of [
      [6, false],
      [4, true],
    ] as const)
      expect(await added(one.add(costing(nanos), { budgets })), `${nanos} in a day`).to.equal(fits);
    house.now += day;
    expect(await added(one.add(costing(4), { budgets })), "the rest of the month").to.equal(true);
    house.now += day;
    expect(await added(one.add(costing(1), { budgets })), "more than a month").to.equal(false);
    house.now += 60 * day;
    expect(await added(one.add(costing(1), { budgets })), "more in total").to.equal(false);
    expect(await figures(one, "total")).to.deep.equal([4, 8]);
  });

  it("count what a client has spent before it had one", async () => {
    const one = await house.ledger();
    one.record({ ...rowAt(house.now - 2), status: "completed", endedAt: house.now - 1, costNanos: 8 });
    one.record({ ...rowAt(house.now - day), status: "completed", endedAt: house.now - 1, costNanos: 90 });
    await one.settled();
    expect(await added(one.add(costing(3), { budgets: ten }))).to.equal(false);
    expect(await added(one.add(costing(2), { budgets: ten }))).to.equal(true);
    expect([await figures(one), await figures(one, "total")]).to.deep.equal([
      [8, 2],
      [98, 2],
    ]);
  });

  it("keep the row of a request for as long as something is reserved for it, and forget old days", async () => {
    const one = await house.ledger();
    const row = costing(4);
    await one.add(row, { budgets: ten });
    house.now += 2 * keptSpending;
    expect(await one.prune(9)).to.equal(0);
    house.now -= 2 * keptSpending;
    expect(await figures(one)).to.deep.equal([0, 4]);
    await one.update(row.id, ended({ status: "unknown" }));
    expect(await figures(one)).to.deep.equal([4, 0]);
    house.now += 2 * keptSpending;
    expect(await one.prune(9)).to.equal(1);
    const total = (await one.spending.all(house.now)).map(({ per, spent }) => ({ per, spent }));
    expect(total).to.deep.equal([{ per: "total", spent: 4 }]);
    house.now -= 2 * keptSpending;
    expect(await figures(one)).to.deep.equal([0, 0]);
  });

  it("are never overrun, and hold nothing back once all is over, however requests, failures and crashes come", async () => {
    const figures = await interleave(house, open, runs(60));
    expect(figures.refused).to.be.greaterThan(figures.interleavings / 2);
    for (const kind of ["completed", "failed", "unknown", "cancelled", "crashed", "joined", "late"] as const)
      expect(figures[kind], kind).to.be.greaterThan(figures.interleavings / 20);
  }).timeout(600_000);
}
