import { expect } from "chai";
import type { Route } from "../../src/channels/route.ts";
import { order } from "../../src/gateway/choose.ts";
import { seeded } from "../helpers/random.ts";

function route(name: string, { priority = 0, weight = 1, keys = [] as string[] } = {}): Route {
  return { channel: { name, keys, limits: {} }, model: { id: "m", upstream: "m" }, limits: {}, priority, weight } as unknown as Route;
}

const choice = { sharing: "weight", random: seeded(7), inFlight: () => 0, turn: () => 0 } as const;
const namesOf = (routes: Route[], more: Partial<Parameters<typeof order>[1]> = {}) =>
  order(routes, { ...choice, ...more }).map(({ route: { channel }, key }) =>
    typeof key === "string" ? `${channel.name}:${key}` : channel.name,
  );

describe("the order of trying", () => {
  it("is by priority before all else", () => {
    const routes = [route("late", { priority: 2, weight: 1000 }), route("first", { priority: -1 }), route("second")];
    for (let times = 0; times < 20; times += 1) expect(namesOf(routes)).to.deep.equal(["first", "second", "late"]);
  });

  it("shares requests in proportion to the weights", () => {
    const routes = [route("one", { weight: 1 }), route("three", { weight: 3 }), route("six", { weight: 6 })];
    const counts = new Map<string, number>();
    const seconds = new Map<string, number>();
    for (let times = 0; times < 10_000; times += 1) {
      const [first = "", second = ""] = namesOf(routes);
      counts.set(first, (counts.get(first) ?? 0) + 1);
      if (first === "six") seconds.set(second, (seconds.get(second) ?? 0) + 1);
    }
    expect(counts.get("one")).to.be.closeTo(1000, 150);
    expect(counts.get("three")).to.be.closeTo(3000, 250);
    expect(counts.get("six")).to.be.closeTo(6000, 250);
    // Those that follow share in the same proportion.
    expect(seconds.get("three")! / seconds.get("one")!).to.be.closeTo(3, 0.4);
  });

  it("is that of the least under way for their weight, where the operator wants it so", () => {
    const busy: Record<string, number> = { a: 4, b: 2, c: 9 };
    const routes = [route("a"), route("b"), route("c", { weight: 5 })];
    const inFlight = (channel: string) => busy[channel] ?? 0;
    expect(namesOf(routes, { sharing: "least_in_flight", inFlight })).to.deep.equal(["c", "b", "a"]);
  });

  it("is by chance among those with as little under way", () => {
    const routes = [route("a"), route("b")];
    const firsts = new Set(Array.from({ length: 50 }, () => namesOf(routes, { sharing: "least_in_flight" })[0]));
    expect([...firsts].sort()).to.deep.equal(["a", "b"]);
  });

  it("takes the keys of a channel in turn, all of them before the next channel", () => {
    const routes = [route("a", { keys: ["x", "y", "z"] }), route("b", { priority: 1, keys: ["k"] })];
    expect(namesOf(routes, { turn: () => 4 })).to.deep.equal(["a:y", "a:z", "a:x", "b:k"]);
  });
});
