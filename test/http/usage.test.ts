// GET /v1/usage: what the requests of a client cost, and for the operator those of all.
import { expect } from "chai";
import type { RequestRow } from "../../src/ledger/row.ts";
import { rowAt } from "../ledger/suite.ts";
import { startDurableHouse, type DurableHouse } from "./durable-house.ts";
import { errorOf } from "./setup.ts";

interface Sums {
  requests: number;
  pictures: number;
  cost: number | null;
  unpriced_requests: number;
  uncertain_requests: number;
  uncertain_cost: number;
}

interface Usage {
  today: Sums;
  month: Sums;
  start: string;
  end: string;
  total: Sums;
  by_day: (Sums & { date: string })[];
  by_model: (Sums & { model: string })[];
  budgets?: object[];
  by_client?: (Sums & { client: string })[];
}

describe("http: usage", () => {
  let house: DurableHouse;
  before(async () => {
    house = await startDurableHouse();
    house.gateway.routing.date = () => Date.parse("2026-11-25T12:00:00Z");
    const nanos = (usd: number) => ({ costNanos: usd * 1e9, costFrom: "pictures", made: 1, status: "completed" as const });
    await add("2026-10-31T23:59:59Z", nanos(100));
    await add("2026-11-01T00:00:00Z", nanos(0.1));
    await add("2026-11-02T12:00:00Z", { model: "b", costFrom: "unpriced", made: 2, status: "completed" });
    await add("2026-11-25T00:00:00Z", { ...nanos(0.2), model: "b" });
    await add("2026-11-25T01:00:00Z", { costNanos: 40_000_000, costFrom: "uncertain", status: "unknown" });
    await add("2026-11-25T02:00:00Z", { status: "in_progress", endedAt: undefined });
    await add("2026-11-25T03:00:00Z", nanos(7), "sk-other");
  });
  after(() => house.close());

  const idOf = (key: string) => house.gateway.keys.find(key)!.id;

  async function add(at: string, more: Partial<RequestRow>, key = house.key): Promise<void> {
    const time = Date.parse(at);
    await house.ledger.add(rowAt(time, { client: idOf(key), model: "a", endedAt: time + 1, ...more }));
  }

  const get = (query = "", key = house.key) => fetch(`${house.url}/v1/usage${query}`, { headers: { authorization: `Bearer ${key}` } });
  const usage = async (query?: string, key?: string) => (await (await get(query, key)).json()) as Usage;
  const priced = { unpriced_requests: 0, uncertain_requests: 0, uncertain_cost: 0 };

  it("is that of today and of this month in UTC, by day and by model", async () => {
    const { today, month, ...rest } = await usage();
    const uncertain = { uncertain_requests: 1, uncertain_cost: 0.04 };
    expect(today).to.deep.equal({ requests: 3, pictures: 1, cost: 0.24, unpriced_requests: 0, ...uncertain });
    expect(month).to.deep.equal({ requests: 5, pictures: 4, cost: 0.34, unpriced_requests: 1, ...uncertain });
    expect(rest.total).to.deep.equal(month);
    expect([rest.start, rest.end]).to.deep.equal(["2026-11-01", "2026-11-25"]);
    expect(rest.by_day.map(({ date, cost, unpriced_requests }) => [date, cost, unpriced_requests])).to.deep.equal([
      ["2026-11-01", 0.1, 0],
      // Nothing is known of it, which is not nothing.
      ["2026-11-02", null, 1],
      ["2026-11-25", 0.24, 0],
    ]);
    expect(rest.by_model.map(({ model, requests, cost }) => [model, requests, cost])).to.deep.equal([
      ["b", 2, 0.2],
      ["a", 3, 0.14],
    ]);
    expect(rest).to.not.have.property("by_client");
    expect((await get()).headers.get("cache-control")).to.equal("no-store");
  });

  it("is that of the days that were asked for, both included", async () => {
    const { today, month, total, by_day, by_model } = await usage("?start=2026-10-31&end=2026-11-01");
    expect(total).to.deep.equal({ requests: 2, pictures: 2, cost: 100.1, ...priced });
    expect(by_day.map(({ date }) => date)).to.deep.equal(["2026-10-31", "2026-11-01"]);
    expect(by_model).to.deep.equal([{ model: "a", ...total }]);
    expect([today.cost, month.cost]).to.deep.equal([0.24, 0.34]);
    expect((await usage("?start=2026-11-26&end=2026-11-30")).total).to.deep.equal({ requests: 0, pictures: 0, cost: 0, ...priced });
  });

  it("is that of all to the operator, by client too, or of one client", async () => {
    const all = await usage("", "sk-operator");
    expect(all.month.cost).to.equal(7.34);
    expect(all.by_client?.map(({ client, cost }) => [client, cost])).to.deep.equal([
      [idOf("sk-other"), 7],
      [idOf(house.key), 0.34],
    ]);
    expect((await usage(`?client=${encodeURIComponent(idOf("sk-other"))}`, "sk-operator")).month.cost).to.equal(7);
    expect((await usage(`?client=${encodeURIComponent(idOf("sk-other"))}`)).month.cost).to.equal(0.34);
  });

  it("has the budgets of a client, and how they stand", async () => {
    const budgets = (query?: string, key?: string) => usage(query, key).then((one) => one.budgets);
    expect(await budgets()).to.deep.equal([]);
    house.clients.set(house.key, {
      budgets: [
        { per: "day", nanos: 2e9 },
        { per: "total", nanos: 1e9 },
      ],
    });
    const time = Date.parse("2026-11-25T04:00:00Z");
    const reserving = rowAt(time, { client: idOf(house.key), expiresAt: Date.now() + 1e9, reservedNanos: 0.5e9 });
    await house.ledger.add(reserving, { budgets: [{ per: "day", nanos: 2e9 }] });
    const expected = [
      { per: "day", limit: 2, spent: 0.24, reserved: 0.5, left: 1.26, resets_at: Date.parse("2026-11-26T00:00:00Z") / 1000 },
      // A hundred were spent before it had a budget.
      { per: "total", limit: 1, spent: 100.34, reserved: 0.5, left: 0, resets_at: null },
    ];
    expect(await budgets()).to.deep.equal(expected);
    expect(await budgets(`?client=${encodeURIComponent(idOf(house.key))}`, "sk-operator")).to.deep.equal(expected);
    expect(await budgets("?client=gone", "sk-operator")).to.equal(undefined);
    house.clients.clear();
  });

  it("is refused for days that are none, and to those without a key", async () => {
    await errorOf(await get("?start=2026-02-30"), 400, "invalid_value", "start");
    await errorOf(await get("?end=yesterday"), 400, "invalid_value", "end");
    await errorOf(await get("?start=2026-11-20&end=2026-11-19"), 400, "invalid_value", "end");
    await errorOf(await get("", "sk-nobody"), 401, "invalid_api_key");
    house.outage.isAway = true;
    const away = await get();
    house.outage.isAway = false;
    await errorOf(away, 503, "ledger_unavailable");
    const { durable } = house.gateway;
    delete house.gateway.durable;
    const without = await get();
    house.gateway.durable = durable;
    await errorOf(without, 404, "not_found");
  });
});
