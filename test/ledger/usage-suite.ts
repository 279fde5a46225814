// The suite of sums, for every database of the ledger.
import { expect } from "chai";
import type { Database } from "../../src/ledger/database.ts";
import type { RequestRow } from "../../src/ledger/row.ts";
import { dayLength, dayOf, totalOf, type Sums } from "../../src/ledger/usage.ts";
import { seeded } from "../helpers/random.ts";
import { ledgerHouse } from "./house.ts";
import { rowAt } from "./suite.ts";

/** The sums of rows, row by row. */
function sumOf(rows: readonly RequestRow[]): Sums {
  const uncertain = rows.filter(({ costFrom }) => costFrom === "uncertain");
  const nanos = (some: readonly RequestRow[]) => some.reduce((sum, { costNanos = 0 }) => sum + costNanos, 0);
  return {
    requests: rows.length,
    pictures: rows.reduce((sum, { made = 0 }) => sum + made, 0),
    nanos: nanos(rows),
    uncertain: uncertain.length,
    uncertainNanos: nanos(uncertain),
    unpriced: rows.filter(({ costFrom }) => costFrom === "unpriced").length,
  };
}

/** Describe usage on databases that `open` opens. */
export function usageSuite(open: (folder: string) => Promise<Database>): void {
  const house = ledgerHouse(open);
  const nothing: Sums = { requests: 0, pictures: 0, nanos: 0, uncertain: 0, uncertainNanos: 0, unpriced: 0 };

  it("adds up to the same over days, models and clients, and to the sum of the rows", async () => {
    const ledger = await house.ledger();
    const chance = seeded(7);
    const today = dayOf(house.now);
    const from = [undefined, "nothing", "provider", "usage", "uncertain", "unpriced"];
    const rows = Array.from({ length: 300 }, () => {
      const pick = <Value>(all: readonly Value[]) => all[Math.floor(chance() * all.length)] as Value;
      const costFrom = pick(from);
      const costNanos = costFrom === undefined || costFrom === "unpriced" ? undefined : Math.floor(chance() * 1e12);
      const at = house.now - Math.floor(chance() * 5 * dayLength);
      return rowAt(at, {
        client: pick(["ann", "bob", "carl"]),
        model: pick(["m", "a/b", "é"]),
        made: pick([undefined, 0, 1, 4]),
        costFrom,
        costNanos,
      });
    });
    await Promise.all(rows.map((row) => ledger.add(row)));
    for (const client of [undefined, "ann", "nobody"])
      for (const [first, last] of [
        [0, today],
        [today - 2, today - 1],
        [today + 1, today + 9],
        [-700_000, 2_900_000],
      ] as const) {
        const meant = rows.filter(({ createdAt, ...row }) => {
          const day = dayOf(createdAt);
          return day >= first && day <= last && (client === undefined || row.client === client);
        });
        const usage = await ledger.usage({ client, first, last });
        for (const sums of Object.values(usage)) expect(totalOf((sums as Map<unknown, Sums>).values())).to.deep.equal(sumOf(meant));
        for (const [model, sums] of usage.models) expect(sums).to.deep.equal(sumOf(meant.filter((row) => row.model === model)));
        for (const [day, sums] of usage.days) expect(sums).to.deep.equal(sumOf(meant.filter((row) => dayOf(row.createdAt) === day)));
      }
  });

  it("gives a day its requests from midnight to midnight, in UTC", async () => {
    const ledger = await house.ledger();
    const midnight = dayOf(house.now) * dayLength;
    for (const at of [midnight - 1, midnight, midnight + dayLength - 1, midnight + dayLength]) await ledger.add(rowAt(at));
    const { days } = await ledger.usage({ first: 0, last: dayOf(midnight) + 1 });
    expect([...days].map(([day, { requests }]) => [day - dayOf(midnight), requests])).to.deep.equal([
      [-1, 1],
      [0, 2],
      [1, 1],
    ]);
  });

  it("is exact beyond what a number of a row can be, and nothing where there is nothing", async () => {
    const ledger = await house.ledger();
    expect(totalOf((await ledger.usage({ first: 0, last: dayOf(house.now) })).days.values())).to.deep.equal(nothing);
    for (let count = 0; count < 20; count += 1) await ledger.add(rowAt(house.now, { costNanos: 1e15, costFrom: "provider" }));
    expect(totalOf((await ledger.usage({ first: 0, last: dayOf(house.now) })).days.values()).nanos).to.equal(2e16);
  });
}
