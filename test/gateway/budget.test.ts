// The part of its client's budgets that a request reserves: the most that it can cost, whatever becomes of it.
import { expect } from "chai";
import type { Route } from "../../src/channels/route.ts";
import { GatewayError } from "../../src/errors.ts";
import { leastLeft, overBudget, reservationOf, type Priced } from "../../src/gateway/budget.ts";
import { OverBudget, type Budget, type Spending, type Spendings } from "../../src/ledger/spending.ts";
import type { Range } from "../../src/money/units.ts";
import type { PluginContext, UnifiedRequest } from "../../src/plugin/context.ts";
import { rowAt } from "../ledger/suite.ts";
import { route } from "./routes.ts";

const usd = 1_000_000_000;
const budgets: Budget[] = [{ per: "total", nanos: usd }];
const request: UnifiedRequest = { model: "m", prompt: "a cat", n: 2 };
const known = (dollars: number): Range => ({ lowest: dollars * usd, highest: dollars * usd });

/** A route whose calls cost so much each, of which its plugins make `calls`. */
function priced(
  range: Range | undefined,
  { name = "c", calls = 1, pretend, ...more }: Partial<Route> & { name?: string; calls?: number } = {},
): Route {
  const call: Route["pretend"] = async (ctx, core) => {
    for (let made = 0; made < calls; made += 1) await core(ctx);
  };
  return route(name, () => undefined, {
    pricing: {
      lines: { beforehand: () => range, ofAnswer: () => ({ from: "unpriced" }), units: [] },
      chargesRefusals: false,
      isPriced: true,
    },
    pretend: pretend ?? call,
    ...more,
  });
}

const asked = (...routes: Route[]): Priced => ({
  entry: { id: "m", routes, sharing: "weight", fallback: [] } as unknown as Priced["entry"],
  request,
});
const reserved = async (one: Priced) => (await reservationOf({ budgets }, one, 0))?.reservedNanos;
const fetches: Route["pretend"] = async (ctx: PluginContext) => {
  await ctx.fetchPicture("https://a.example/cat.png", "client");
};

describe("a request reserves", () => {
  it("nothing where its client has no budget, and looks at no price", async () => {
    const never = priced(known(1), { pretend: () => Promise.reject(new Error("asked")) });
    for (const client of [undefined, {}, { refusesUnpriced: false }])
      expect(await reservationOf(client, asked(never), 0)).to.equal(undefined);
  });

  it("what the dearest of its channels takes for all calls", async () => {
    expect(await reserved(asked(priced(known(1)), priced(known(3), { calls: 2 }), priced(known(5))))).to.equal(6 * usd);
    expect(await reserved(asked(priced({ lowest: usd, highest: 2 * usd })))).to.equal(2 * usd);
    expect(await reserved(asked(priced(known(0))))).to.equal(0);
  });

  it("what channels take too after which another is tried though something may have been made", async () => {
    const unsafe = (dollars: number) => priced(known(dollars), { unsafe: true });
    expect(await reserved(asked(unsafe(1), unsafe(2), priced(known(4)), priced(known(3))))).to.equal(7 * usd);
  });

  it("what a model takes that may stand in, where that takes the request", async () => {
    const standIn = (dollars: number) => ({ entry: asked(priced(known(dollars))).entry, input: () => ({ request, changes: [] }) });
    const other = {
      ...standIn(9),
      input: () => {
        throw new GatewayError("invalid_value", "no such size");
      },
    };
    expect(await reserved({ ...asked(priced(known(1))), standIns: [standIn(2), other] })).to.equal(2 * usd);
  });

  it("what the channel takes that its client chose", async () => {
    const two = asked(priced(known(1), { name: "cheap" }), priced(known(2), { name: "dear" }));
    expect(await reserved({ ...two, pinned: "cheap" })).to.equal(usd);
  });

  it("nothing for a channel that cannot send it", async () => {
    const unfit = priced(known(9), { pretend: () => Promise.reject(new GatewayError("invalid_value", "no such size")) });
    expect(await reserved(asked(unfit, priced(known(1))))).to.equal(usd);
    expect(await reserved(asked(unfit))).to.equal(0);
  });

  it("one call for each picture where an image would have to be fetched to know better", async () => {
    expect(await reserved(asked(priced(known(1), { pretend: fetches })))).to.equal(2 * usd);
    expect(await reserved(asked(priced({ lowest: usd }, { pretend: fetches })))).to.equal(usd);
    expect(await reserved(asked(priced(undefined, { pretend: fetches })))).to.equal(0);
  });

  it("what is known where there is no bound, or nothing of an unpriced one, unless that is refused", async () => {
    for (const [range, nanos] of [
      [{ lowest: usd }, usd],
      [undefined, 0],
    ] as const) {
      const one = asked(priced(range), priced(known(0.5)));
      expect(await reserved(one)).to.equal(Math.max(nanos, 0.5 * usd));
      for (const client of [{ refusesUnpriced: true }, { refusesUnpriced: true, budgets }]) {
        const error: unknown = await reservationOf(client, one, 0).catch((reason: unknown) => reason);
        expect(error).to.include({ code: "model_not_allowed", status: 403 });
      }
    }
    expect(await reservationOf({ refusesUnpriced: true }, asked(priced(known(1))), 0)).to.equal(undefined);
    expect(await reservationOf({ refusesUnpriced: true, budgets }, asked(priced(known(1))), 0)).to.deep.equal({
      reservedNanos: usd,
      budgets,
    });
  });
});

describe("a client's error over budget", () => {
  it("takes what was never spent of for whole", async () => {
    const row = { ...rowAt(Date.UTC(2027, 0, 31)), client: "a" };
    const { message, code } = await overBudget(new OverBudget(row, [{ per: "month", nanos: 2 * usd }]), { of: () => Promise.resolve([]) });
    expect(code).to.equal("insufficient_quota");
    expect(message).to.equal(
      "this request can cost 0 USD; of this key's budget of 2 USD a month 2 USD are left, and it begins anew at 2027-02-01T00:00:00.000Z",
    );
  });
});

describe("the least that is left of budgets", () => {
  it("is that of the tightest, never below nothing, and is looked up for each client whose period has not begun", async () => {
    const of = (client: string): Spending[] => [
      { client, per: "day", spent: 3, reserved: 2 },
      { client, per: "total", spent: 30, reserved: 2 },
    ];
    const looked: string[] = [];
    const spending: Spendings = {
      all: () => Promise.resolve(of("a")),
      of: (client) => {
        looked.push(client);
        return Promise.resolve(of(client));
      },
    };
    const clients = [
      {
        id: "a",
        budgets: [
          { per: "day" as const, nanos: 6 },
          { per: "total" as const, nanos: 100 },
        ],
      },
      { id: "b", budgets: [{ per: "total" as const, nanos: 31 }] },
    ];
    expect((await leastLeft(clients, 0, spending)).map(({ nanos }) => nanos)).to.deep.equal([1, 0]);
    expect(looked).to.deep.equal(["b"]);
    expect(await leastLeft([], 0, spending)).to.deep.equal([]);
  });
});
