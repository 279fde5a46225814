// What every database of the ledger must do with the events of jobs.
import { expect } from "chai";
import type { Database } from "../../src/ledger/database.ts";
import type { Delivery } from "../../src/ledger/deliveries.ts";
import type { RequestRow } from "../../src/ledger/row.ts";
import { ledgerHouse } from "./house.ts";
import { rowAt } from "./suite.ts";

const minute = 60_000;

/** Describe a ledger's deliveries on databases that `open` opens; all of one test are the same database, and each test has a fresh one. */
export function deliveriesSuite(open: (folder: string) => Promise<Database>): void {
  const house = ledgerHouse(open);

  it("has an event of each job that named a webhook, once it has ended, whatever ends it", async () => {
    const one = await house.ledger();
    const named = (more: Partial<RequestRow> = {}) => rowAt(house.now, { job: true, webhook: "orders", ...more });
    const [done, lost, cancelled, recorded, silent, underWay] = [named(), named(), named(), named(), rowAt(house.now), named()];
    for (const row of [done, lost, cancelled, recorded, silent, underWay]) await one.add(row);
    await one.update(underWay.id, { channel: "c", status: "in_progress" });
    await one.update(silent.id, { status: "completed", endedAt: house.now + 1 }, ["in_progress"]);
    await one.update(done.id, { status: "completed", endedAt: house.now + 1 }, ["queued", "in_progress"]);
    // It is over, and stays as it is.
    expect(await one.update(done.id, { status: "cancelled", endedAt: house.now + 2 }, ["queued", "in_progress"])).to.equal(false);
    await one.update(lost.id, { status: "unknown", endedAt: house.now + 2 });
    await one.update(cancelled.id, { status: "cancelled", endedAt: house.now + 3 });
    for (let times = 0; times < 2; times += 1) {
      one.record({ ...recorded, status: "failed", endedAt: house.now + 4 });
      await one.settled();
    }
    const events = await one.deliveries.list({ limit: 9 });
    expect(events.map(({ request, type, createdAt, nextAt }) => [request, type, createdAt, nextAt])).to.deep.equal([
      [recorded.id, "image.job.failed", house.now + 4, house.now + 4],
      [cancelled.id, "image.job.cancelled", house.now + 3, house.now + 3],
      [lost.id, "image.job.failed", house.now + 2, house.now + 2],
      [done.id, "image.job.completed", house.now + 1, house.now + 1],
    ]);
    expect(events[0]).to.include({ client: "ann", webhook: "orders", status: "waiting", attempts: 0 });
    expect(new Set(events.map(({ id }) => id)).size).to.equal(4);
    expect(await one.deliveries.waiting()).to.equal(4);
  });

  it("gives an event that is due to one of several that take", async () => {
    const both = [await house.ledger(), await house.ledger()];
    const rows = Array.from({ length: 20 }, (_, index) => rowAt(house.now, { job: true, webhook: index < 2 ? "busy" : "orders" }));
    for (const row of rows) {
      await both[0]!.add(row);
      await both[0]!.update(row.id, { status: "completed", endedAt: house.now });
    }
    const wanted = { now: house.now, until: house.now + minute, limit: 6, except: ["busy"] };
    const taken = (await Promise.all([0, 1, 0, 1].map((index) => both[index]!.deliveries.take(wanted)))).flat();
    expect(taken).to.have.length(18);
    expect(new Set(taken.map(({ id }) => id)).size).to.equal(18);
    const [first, second, third] = taken as [Delivery, Delivery, Delivery];
    const { deliveries } = both[1]!;
    const url = "https://a.example/";
    await deliveries.settle(first, { status: "delivered", nextAt: house.now, url, answer: 200 });
    await deliveries.settle({ ...second, attempts: 0 }, { status: "delivered", nextAt: house.now });
    await deliveries.settle(third, { status: "failed", nextAt: house.now, url, answer: 410, reason: "r" });
    const found = async (id: string) => (await deliveries.list({ limit: 99 })).find((one) => one.id === id);
    expect(await found(second.id)).to.include({ status: "waiting", attempts: 1, attemptedAt: house.now, nextAt: house.now + minute });
    expect(await deliveries.list({ limit: 9, status: "failed" })).to.deep.equal([
      { ...third, status: "failed", nextAt: house.now, url, answer: 410, reason: "r" },
    ]);
    expect([
      await deliveries.isGone(url, house.now - 1),
      await deliveries.isGone(url, house.now),
      await deliveries.isGone("x", 0),
    ]).to.deep.equal([true, false, false]);
    expect(await deliveries.redeliver(third.id, house.now + 5)).to.equal(true);
    expect(await found(third.id))
      .to.include({ status: "waiting", attempts: 0, nextAt: house.now + 5 })
      .and.not.have.any.keys("answer", "reason");
    expect(await deliveries.isGone(url, house.now - 1)).to.equal(false);
    await deliveries.drop(third.id);
    expect(await found(third.id)).to.equal(undefined);
    house.now += 61 * minute;
    await both[0]!.prune(3);
    expect(await deliveries.list({ limit: 99 })).to.have.length(16);
  });
}
