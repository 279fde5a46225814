import { expect } from "chai";
import { setTimeout } from "node:timers/promises";
import { createLimits } from "../../src/gateway/limits.ts";
import { createRouting } from "../../src/gateway/routing.ts";
import { createMemoryState, type SharedState } from "../../src/gateway/shared-state.ts";
import { ask, failureOf, settled, slow } from "./routes.ts";

describe("a line", () => {
  it("is looked at once for all who stand in it when the minute is over", async () => {
    const own = createMemoryState({ minute: 0.03 });
    let takes = 0;
    const take: SharedState["take"] = (...asked) => {
      takes += 1;
      return own.take(...asked);
    };
    const routing = createRouting({ state: { ...own, take } });
    const { route: one, running, finish, calls } = slow("a", { all: { concurrency: 3, imagesPerMinute: 3 } });
    // Of those who wait, each minute has enough for one.
    const clients = [1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2].map((n) => ({ n, gone: new AbortController() }));
    const answers = clients.map(({ n, gone }) => ask([one], { n, routing, signal: gone.signal }).answer);
    await settled();
    expect([running.length, routing.limits.waiting("a")]).to.deep.equal([3, 8]);
    while (calls() < 6) {
      await finish();
      await setTimeout(2);
    }
    expect(takes).to.be.below(200);
    for (const { gone } of clients) gone.abort(new Error("the client hung up"));
    await Promise.allSettled(answers);
    expect([routing.limits.inFlight("a"), routing.limits.waiting("a")]).to.deep.equal([0, 0]);
  });

  it("gives back the slot and the pictures that come when a request has left it", async () => {
    const own = createMemoryState();
    let hold: Promise<unknown> = Promise.resolve();
    const enter: SharedState["enter"] = async (...asked) => {
      await hold;
      return own.enter(...asked);
    };
    const routing = createRouting({ state: { ...own, enter } });
    const { route: one, running, finish, calls } = slow("a", { all: { concurrency: 1, imagesPerMinute: 2 }, queueTimeout: 20 });
    const first = ask([one], { routing }).answer;
    await settled();
    const late = ask([one], { routing }).answer;
    await settled();
    let letGo!: () => void;
    hold = new Promise<void>((resolve) => (letGo = resolve));
    await finish();
    await first;
    expect(await failureOf(late)).to.include({ status: 429 });
    letGo();
    await settled();
    const last = ask([one], { routing }).answer;
    await settled();
    expect([running.length, calls()]).to.deep.equal([1, 2]);
    await finish();
    await last;
    expect([routing.limits.inFlight("a"), routing.limits.waiting("a")]).to.deep.equal([0, 0]);
  });

  it("fails a request whose slot cannot be looked for, and serves those behind it", async () => {
    const own = createMemoryState();
    const broken = new Error("broken");
    let breaks = 0;
    const enter: SharedState["enter"] = (...asked) => ((breaks -= 1) === 0 ? Promise.reject(broken) : own.enter(...asked));
    const routing = createRouting({ state: { ...own, enter } });
    const { route: one, finish } = slow("a", { all: { concurrency: 1 } });
    const first = ask([one], { routing }).answer;
    await settled();
    const [second, third] = [failureOf(ask([one], { routing }).answer), ask([one], { routing }).answer];
    await settled();
    breaks = 1;
    await finish();
    expect(await second).to.equal(broken);
    await finish();
    await Promise.all([first, third]);
    expect([routing.limits.inFlight("a"), routing.limits.waiting("a")]).to.deep.equal([0, 0]);
  });

  it("is looked at now and then where places of other instances become free without a word", async () => {
    const own = createMemoryState();
    let [looks, isFull] = [0, true];
    const enter: SharedState["enter"] = (...asked) => {
      looks += 1;
      return isFull ? Promise.resolve(undefined) : own.enter(...asked);
    };
    const state: SharedState = { ...own, enter, standing: () => "shared" };
    const routing = { ...createRouting({ state }), limits: createLimits(state, { every: 10 }) };
    const { route: one, finish, calls } = slow("a", { all: { concurrency: 9 } });
    const answers = Array.from({ length: 5 }, () => ask([one], { routing }).answer);
    await settled();
    const began = performance.now();
    looks = 0;
    await setTimeout(50);
    // Not once for each of those who wait.
    expect(looks).to.be.within(1, 1 + (performance.now() - began) / 5);
    isFull = false;
    while (calls() < 5) await setTimeout(5);
    for (let times = 0; times < 5; times += 1) await finish();
    await Promise.all(answers);
  });
});
