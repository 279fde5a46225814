import { expect } from "chai";
import { Readable } from "node:stream";
import { setTimeout } from "node:timers/promises";
import { ProviderFailure, type GatewayError } from "../../src/errors.ts";
import { createRouting } from "../../src/gateway/routing.ts";
import { createMemoryState, type SharedState } from "../../src/gateway/shared-state.ts";
import { emptyResult } from "../../src/plugin/compose.ts";
import type { Result } from "../../src/plugin/context.ts";
import { ask, failureOf, newRouting, picture, route, settled, slow, type SlowLimits } from "./routes.ts";

const outcomeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "ok",
    (error: unknown) => error as GatewayError,
  );

describe("a channel's limit of requests at once", () => {
  it("lets the others wait in line, and go in their order", async () => {
    const { route: one, running, finish, most } = slow("a", { all: { concurrency: 2 } });
    const routing = newRouting();
    const order: number[] = [];
    const answers = Array.from({ length: 6 }, (_, index) => ask([one], { routing }).answer.then(() => order.push(index)));
    await settled();
    expect([running.length, routing.limits.inFlight("a"), routing.limits.waiting("a")]).to.deep.equal([2, 2, 4]);
    while (order.length < 6) await finish();
    await Promise.all(answers);
    expect(order).to.deep.equal([0, 1, 2, 3, 4, 5]);
    expect([most(), routing.limits.inFlight("a"), routing.limits.waiting("a")]).to.deep.equal([2, 0, 0]);
  });

  it("answers 429 with retry-after where the line is full", async () => {
    const { route: one, finish } = slow("a", { all: { concurrency: 1 }, queue: 1 });
    const routing = newRouting();
    const [first, second] = [ask([one], { routing }).answer, ask([one], { routing }).answer];
    await settled();
    const { answer, attempts } = ask([one], { routing });
    expect(await failureOf(answer)).to.include({ code: "rate_limit_exceeded", status: 429, retryAfter: 1 });
    expect(attempts).to.deep.equal([]);
    await finish();
    await finish();
    await Promise.all([first, second]);
  });

  it("answers 429 where nobody leaves in time, and keeps no place for who is gone", async () => {
    const { route: one, finish } = slow("a", { all: { concurrency: 1 }, queueTimeout: 10 });
    const routing = newRouting();
    const first = ask([one], { routing }).answer;
    await settled();
    expect(await failureOf(ask([one], { routing }).answer)).to.include({ status: 429 });
    const client = new AbortController();
    const gone = new Error("the client hung up");
    const waiting = ask([one], { routing, signal: client.signal }).answer;
    await settled();
    client.abort(gone);
    expect(await failureOf(waiting)).to.equal(gone);
    expect(routing.limits.waiting("a")).to.equal(0);
    await finish();
    await first;
    expect(routing.limits.inFlight("a")).to.equal(0);
  });

  it("sends requests to another channel first, and lets them wait where no other has room", async () => {
    const first = slow("a", { all: { concurrency: 1 } });
    const second = slow("b", { all: { concurrency: 1 } }, { priority: 1 });
    const routing = newRouting();
    const answers = Array.from({ length: 4 }, () => ask([first.route, second.route], { routing }).answer);
    await settled();
    expect([first.running.length, second.running.length, routing.limits.waiting("a"), routing.limits.waiting("b")]).to.deep.equal([
      1, 1, 2, 2,
    ]);
    await second.finish();
    expect([second.calls(), routing.limits.waiting("a")]).to.deep.equal([2, 1]);
    await first.finish();
    expect(first.calls()).to.equal(2);
    await first.finish();
    await second.finish();
    await Promise.all(answers);
    expect([routing.limits.inFlight("a"), routing.limits.inFlight("b")]).to.deep.equal([0, 0]);
  });

  it("goes on elsewhere where the channel has come to rest meanwhile", async () => {
    const first = slow("a", { all: { concurrency: 1 } });
    const second = slow("b", { all: { concurrency: 1 } }, { priority: 1 });
    const routing = newRouting();
    const blocker = ask([second.route], { routing }).answer;
    const failing = outcomeOf(ask([first.route], { routing }).answer);
    await settled();
    const waiting = ask([first.route, second.route], { routing }).answer;
    await settled();
    await first.finish(new ProviderFailure("failed", "unreachable", { notAccepted: true }));
    await second.finish();
    expect(second.calls()).to.equal(2);
    await second.finish();
    await Promise.all([blocker, failing, waiting]);
    expect([first.calls(), routing.limits.inFlight("a")]).to.deep.equal([1, 0]);
  });

  it("holds for each key, and for a model by itself", async () => {
    const perKey = slow("a", { perKey: { concurrency: 1 } }, { keys: ["one", "two"] });
    const routing = newRouting();
    const answers = Array.from({ length: 3 }, () => ask([perKey.route], { routing }).answer);
    await settled();
    expect(perKey.running.map(({ key }) => key)).to.deep.equal(["one", "two"]);
    for (let times = 0; times < 3; times += 1) await perKey.finish();
    await Promise.all(answers);

    const small = slow("b", { all: { concurrency: 9 } }, { own: { all: { concurrency: 1 } } });
    const other = slow("b", { all: { concurrency: 9 } }, { model: "other" });
    const more = [ask([small.route], { routing }).answer, ask([small.route], { routing }).answer, ask([other.route], { routing }).answer];
    await settled();
    // Who waits for one model does not stop who wants another.
    expect([small.running.length, other.running.length]).to.deep.equal([1, 1]);
    await small.finish();
    await small.finish();
    await other.finish();
    await Promise.all(more);
  });

  it("is held until a provider's whole answer is here, where ours has begun before", async () => {
    const routing = newRouting();
    let whole!: (rest: Result) => void;
    const early = route(
      "a",
      (ctx) => {
        ctx.result.pictures.push({ data: { kind: "stream", head: Buffer.alloc(0), stream: Readable.from([]) } });
        ctx.result.rest = new Promise((resolve) => (whole = resolve));
      },
      { limits: { all: { concurrency: 1 }, perKey: {} } },
    );
    const { result } = await ask([early], { routing }).answer;
    expect(routing.limits.inFlight("a")).to.equal(1);
    whole(emptyResult());
    await result.rest;
    await settled();
    expect(routing.limits.inFlight("a")).to.equal(0);
  });

  it("gives a place back whatever became of the request", async () => {
    const { route: one, finish, running } = slow("a", { all: { concurrency: 1 } });
    const routing = newRouting();
    for (const error of [new ProviderFailure("failed", "no"), new TypeError("a fault"), undefined]) {
      const answer = outcomeOf(ask([one], { routing }).answer);
      await settled();
      expect(running).to.have.length(1);
      await finish(error);
      await answer;
    }
    expect(routing.limits.inFlight("a")).to.equal(0);
  });
});

describe("pictures in a minute", () => {
  const quick = (name: string, limits: SlowLimits, priority = 0) => {
    const made = slow(name, limits, { priority });
    return {
      ...made,
      route: { ...made.route, run: (ctx: Parameters<typeof made.route.run>[0]) => Promise.resolve(void ctx.result.pictures.push(picture)) },
    };
  };

  it("are counted as they are asked for; then another channel is asked, and at last a 429 says how long it takes", async () => {
    const routing = newRouting();
    const routes = [quick("a", { all: { imagesPerMinute: 3 } }).route, quick("b", { all: { imagesPerMinute: 2 } }, 1).route];
    const channels: string[] = [];
    for (const n of [2, 1, 1]) channels.push((await ask(routes, { n, routing }).answer).attempts[0]!.route.channel.name);
    expect(channels).to.deep.equal(["a", "a", "b"]);
    const error = (await failureOf(ask(routes, { n: 2, routing }).answer)) as GatewayError;
    expect(error).to.include({ code: "rate_limit_exceeded", status: 429 });
    expect(error.retryAfter).to.be.within(50, 60);
    // What was refused has taken nothing.
    expect((await ask(routes, { n: 1, routing }).answer).attempts[0]!.route.channel.name).to.equal("b");
  });

  it("may be asked for at once by a request that wants more than a minute has", async () => {
    const routing = newRouting();
    const { route: one } = quick("a", { all: { imagesPerMinute: 2 } });
    await ask([one], { n: 5, routing }).answer;
    expect(await failureOf(ask([one], { routing }).answer)).to.include({ status: 429 });
  });

  it("are given back by a limit where a later one has too few", async () => {
    const routing = newRouting();
    const { route: one } = quick("a", { all: { imagesPerMinute: 3 }, perKey: { imagesPerMinute: 2 } });
    expect(await failureOf(Promise.all([ask([one], { n: 2, routing }).answer, ask([one], { n: 1, routing }).answer]))).to.include({
      status: 429,
    });
    const other = { ...one, channel: { ...one.channel, keys: ["k"] } };
    expect((await ask([other], { routing }).answer).attempts).to.have.length(1);
  });

  it("are given back with a slot that nobody used, since its client had gone or its channel had begun a cool-down", async () => {
    const own = createMemoryState();
    const client = new AbortController();
    const gone = new Error("the client hung up");
    const take: SharedState["take"] = async (...asked) => {
      const wait = await own.take(...asked);
      if (!client.signal.aborted) client.abort(gone);
      return wait;
    };
    const routing = createRouting({ state: { ...own, take } });
    const { route: one } = quick("a", { all: { imagesPerMinute: 2, concurrency: 1 } });
    expect(await failureOf(ask([one], { n: 2, routing, signal: client.signal }).answer)).to.equal(gone);
    expect((await ask([one], { n: 2, routing }).answer).attempts).to.have.length(1);
  });

  it("come back with the next minute, also to those who wait in line", async () => {
    const routing = createRouting({ state: createMemoryState({ minute: 0.05 }) });
    const { route: one, finish, calls } = slow("a", { all: { imagesPerMinute: 1, concurrency: 1 } });
    const answers = [ask([one], { routing }).answer, ask([one], { routing }).answer];
    await settled();
    await finish();
    expect([calls(), routing.limits.waiting("a")]).to.deep.equal([1, 1]);
    while (calls() < 2) await setTimeout(5);
    await finish();
    await Promise.all(answers);
  });
});

describe("a client's own limits", () => {
  it("are 429s that say what is too much", async () => {
    const routing = newRouting();
    const { route: one, finish } = slow("a");
    const client = { name: "ann", concurrency: 1, imagesPerMinute: 3 };
    const first = ask([one], { routing, client }).answer;
    await settled();
    expect(await failureOf(ask([one], { routing, client }).answer)).to.include({
      status: 429,
      retryAfter: 1,
      message: "this key may have no more requests at once; try again in 1 s",
    });
    const other = ask([one], { routing, client: { ...client, name: "bob" } }).answer;
    await settled();
    await finish();
    await finish();
    await Promise.all([first, other]);
    const error = (await failureOf(ask([one], { n: 3, routing, client }).answer)) as GatewayError;
    expect(error.message).to.match(/^this key may have no more pictures in a minute; try again in \d+ s$/);
    expect(error.retryAfter).to.be.within(50, 60);
  });
});

describe("the time of a request", () => {
  it("ends its attempt, and is no failure of the channel", async () => {
    const { route: one } = slow("a");
    const routing = newRouting();
    const { answer, attempts } = ask([one], { routing, timeout: 20 });
    expect(await failureOf(answer)).to.include({ code: "upstream_timeout", status: 504 });
    expect(attempts.map(({ outcome }) => outcome)).to.deep.equal(["timeout"]);
    expect(routing.health.coolDowns()).to.deep.equal([]);
  });

  it("ends its waiting in line", async () => {
    const { route: one, finish } = slow("a", { all: { concurrency: 1 } });
    const routing = newRouting();
    const first = ask([one], { routing }).answer;
    await settled();
    expect(await failureOf(ask([one], { routing, timeout: 20 }).answer)).to.include({ code: "upstream_timeout", status: 504 });
    await finish();
    await first;
  });
});
