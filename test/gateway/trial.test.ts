import { expect } from "chai";
import { ProviderFailure } from "../../src/errors.ts";
import { createRouting, type Routing } from "../../src/gateway/routing.ts";
import { ask, failureOf, settled, slow, type SlowLimits } from "./routes.ts";

const unreachable = new ProviderFailure("failed", "it cannot be reached", { notAccepted: true });

/** A channel whose rest is over, in a process with a clock of its own, in which one request tries it and takes its time. */
async function onTrial(limits: SlowLimits = {}) {
  let time = 1_000_000;
  const routing: Routing = createRouting({ now: () => time, random: () => 0.5 });
  const channel = slow("a", limits);
  const first = failureOf(ask([channel.route], { routing }).answer);
  await settled();
  await channel.finish(unreachable);
  await first;
  expect(routing.health.coolDowns()).to.have.length(1);
  time += 5001;
  const trial = ask([channel.route], { routing }).answer;
  await settled();
  expect(channel.calls()).to.equal(2);
  return { ...channel, routing, trial };
}

describe("a channel that one request tries after its rest, for as long as a picture takes", () => {
  it("is left alone by requests that another channel can serve", async () => {
    const { route: one, routing, trial, finish, calls } = await onTrial();
    const other = slow("b", {}, { priority: 1 });
    const answer = ask([one, other.route], { routing }).answer;
    await settled();
    await other.finish();
    expect([(await answer).attempts.map(({ route }) => route.channel.name), calls()]).to.deep.equal([["b"], 2]);
    await finish();
    await trial;
  });

  it("is asked at once by requests that no other can serve", async () => {
    const { route: one, routing, trial, finish, calls } = await onTrial();
    const answers = [ask([one], { routing }).answer, ask([one], { routing }).answer];
    await settled();
    expect(calls()).to.equal(4);
    for (let times = 0; times < 3; times += 1) await finish();
    await Promise.all([trial, ...answers]);
  });

  it("is waited for in line by requests that no other can serve, where it has no place", async () => {
    const { route: one, routing, trial, finish, calls, most } = await onTrial({ all: { concurrency: 1 } });
    const answers = [ask([one], { routing }).answer, ask([one], { routing }).answer];
    await settled();
    expect([calls(), routing.limits.waiting("a")]).to.deep.equal([2, 2]);
    for (let times = 0; times < 3; times += 1) await finish();
    await Promise.all([trial, ...answers]);
    expect([calls(), most(), routing.limits.inFlight("a")]).to.deep.equal([4, 1, 0]);
  });

  it("tells those who stand in line longer than they may, or one too many, when to come again", async () => {
    const { route: one, routing, trial, finish } = await onTrial({ all: { concurrency: 1 }, queue: 1, queueTimeout: 20 });
    const waiting = failureOf(ask([one], { routing }).answer);
    await settled();
    for (const told of [failureOf(ask([one], { routing }).answer), waiting])
      expect(await told).to.include({ status: 429, code: "rate_limit_exceeded", retryAfter: 1 });
    await finish();
    await trial;
  });
});

describe("a line in front of a channel that comes to rest", () => {
  it("goes on, one after the other, where no other channel is there", async () => {
    const routing = createRouting({ random: () => 0.5 });
    const { route: one, finish, calls, most } = slow("a", { all: { concurrency: 1 } });
    const first = failureOf(ask([one], { routing }).answer);
    await settled();
    const waiting = [1, 2, 3].map(() => ask([one], { routing }).answer);
    await settled();
    await finish(unreachable);
    expect(await first).to.include({ status: 502 });
    for (let times = 0; times < 3; times += 1) await finish();
    await Promise.all(waiting);
    expect([calls(), most(), routing.limits.inFlight("a"), routing.limits.waiting("a")]).to.deep.equal([4, 1, 0, 0]);
  });

  it("is told to come again where the provider names a time", async () => {
    const routing = createRouting({ random: () => 0.5 });
    const { route: one, finish, calls } = slow("a", { all: { concurrency: 1 } });
    const first = failureOf(ask([one], { routing }).answer);
    await settled();
    const waiting = [1, 2].map(() => failureOf(ask([one], { routing }).answer));
    await settled();
    await finish(new ProviderFailure("overloaded", "come again", { status: 503, notAccepted: true, retryAfter: 30 }));
    expect(await first).to.include({ status: 503 });
    for (const told of waiting) expect(await told).to.include({ status: 429, retryAfter: 30 });
    expect(calls()).to.equal(1);
  });

  it("is told to come again where the time is named while it waits for one who tries", async () => {
    const { route: one, routing, trial, finish, calls } = await onTrial({ all: { concurrency: 1 } });
    const waiting = failureOf(ask([one], { routing }).answer);
    await settled();
    const failed = failureOf(trial);
    await finish(new ProviderFailure("overloaded", "come again", { status: 503, notAccepted: true, retryAfter: 30 }));
    await failed;
    expect(await waiting).to.include({ status: 429, retryAfter: 30 });
    expect(calls()).to.equal(2);
  });
});
