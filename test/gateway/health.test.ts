import { expect } from "chai";
import type { Route } from "../../src/channels/route.ts";
import { GatewayError, ProviderFailure, type FailureClass } from "../../src/errors.ts";
import { candidatesOf, type Candidate } from "../../src/gateway/candidate.ts";
import { createHealth, type Health, type Report } from "../../src/gateway/health.ts";
import { createRouting } from "../../src/gateway/routing.ts";

const coolDown = { after: 3, first: 5000, max: 60_000 };

function candidates(keys: string[] = ["k", "l"], model = "m") {
  return candidatesOf({
    channel: { name: "acme", keys, coolDown, limits: {} },
    model: { id: model, upstream: model },
    limits: {},
  } as unknown as Route);
}

/** A health with a clock of its own. */
function started() {
  let time = 1_000_000;
  const reported: [string, Report][] = [];
  const health = createHealth(
    () => time,
    (scope, what) => reported.push([scope, what]),
  );
  const [first, second] = candidates();
  const attempt = (error?: unknown, candidate = first!) => health.ended(candidate, health.began(candidate), error);
  return {
    health,
    reported,
    attempt,
    first: first!,
    second: second!,
    pass: (milliseconds: number) => (time += milliseconds),
    state: (candidate = first!) => health.standing(candidate).state,
    left: (candidate = first!) => health.standing(candidate).until - time,
  };
}

const failed = (kind: FailureClass, details: ConstructorParameters<typeof ProviderFailure>[2] = {}) =>
  new ProviderFailure(kind, "no", details);
const unreachable = failed("failed", { notAccepted: true });

describe("a channel's health", () => {
  it("is lost after as many failures in a row as its file says, and not sooner", () => {
    const { attempt, state, left } = started();
    attempt(failed("failed", { status: 500 }));
    attempt(failed("timeout"));
    expect(state()).to.equal("well");
    expect(attempt(failed("bad_response", { status: 200 }))).to.include({ scope: "acme", failures: 3 });
    expect([state(), left()]).to.deep.equal(["cooling_down", 5000]);
  });

  it("is not lost by failures that something good came between, or that are long ago", () => {
    const { attempt, state, pass } = started();
    const broken = failed("failed", { status: 500 });
    for (const between of [undefined, failed("refused"), failed("invalid_request", { status: 400 })]) {
      attempt(broken);
      attempt(broken);
      attempt(between);
    }
    attempt(broken);
    attempt(broken);
    pass(60_001);
    attempt(broken);
    expect(state()).to.equal("well");
  });

  it("is never lost by refusals, client errors, hang-ups and faults of our own", () => {
    const { attempt, state } = started();
    const errors = [
      failed("refused", { status: 400 }),
      failed("invalid_request", { status: 422 }),
      new Error("the client hung up"),
      new TypeError("broken"),
      new GatewayError("invalid_value", "no"),
    ];
    for (let times = 0; times < 10; times += 1) for (const error of errors) attempt(error);
    expect(state()).to.equal("well");
  });

  it("is lost at once where it cannot be reached, for longer each time, up to a bound", () => {
    const { attempt, left, pass } = started();
    const seen: number[] = [];
    for (let times = 0; times < 6; times += 1) {
      attempt(unreachable);
      seen.push(left());
      pass(left() + 1);
    }
    expect(seen).to.deep.equal([5000, 10_000, 20_000, 40_000, 60_000, 60_000]);
  });

  it("is tried with one request after the rest, and back with its success", () => {
    const { attempt, health, state, pass, first, second } = started();
    attempt(unreachable);
    expect([state(first), state(second)]).to.deep.equal(["cooling_down", "cooling_down"]);
    pass(5001);
    expect(state()).to.equal("well");
    const began = health.began(first);
    expect([state(first), state(second)]).to.deep.equal(["cooling_down", "cooling_down"]);
    health.ended(first, began);
    expect([state(first), state(second), health.coolDowns()]).to.deep.equal(["well", "well", []]);
  });

  it("is tried by another where the one that tries says nothing of it, or does not come back", () => {
    const { attempt, health, state, pass, first } = started();
    attempt(unreachable);
    pass(5001);
    health.ended(first, health.began(first), new Error("the client hung up"));
    expect(state()).to.equal("well");
    health.began(first);
    expect(state()).to.equal("cooling_down");
    pass(60_000);
    expect(state()).to.equal("well");
  });

  it("is tried by the one of all instances that claims it, and elsewhere left alone meanwhile", async () => {
    let time = 1_000_000;
    const claimed: string[] = [];
    const claim = (scope: string) => Promise.resolve(claimed.push(scope) === 1);
    const [one, two] = [1, 2].map(() => createHealth(() => time, undefined, claim)) as [Health, Health];
    const [candidate] = candidates() as [Candidate];
    for (const health of [one, two]) health.ended(candidate, health.began(candidate), unreachable);
    time += 5001;
    expect(await Promise.all([one, two].map((health) => health.mayTry(candidate)))).to.deep.equal([true, false]);
    expect([claimed, two.standing(candidate).state]).to.deep.equal([["acme", "acme"], "cooling_down"]);
  });

  it("rests as long as the provider says, and is held back for that time", () => {
    const { attempt, state, left } = started();
    attempt(failed("failed", { status: 500, retryAfter: 7 }));
    expect([state(), left()]).to.deep.equal(["rate_limited", 7000]);
  });

  for (const [kind, status] of [
    ["failed", 500],
    ["failed", 404],
    ["timeout", 504],
    ["bad_response", 200],
    ["overloaded", 503],
    ["rate_limit", 429],
    ["auth", 401],
    ["quota", 402],
  ] as const)
    it(`is not lost for weeks by one ${status} (${kind}) whose retry-after names them`, () => {
      const { attempt, left } = started();
      attempt(failed(kind, { status, retryAfter: 2_505_600 }));
      expect(left()).to.equal(600_000);
    });

  it("is not lost for weeks by what another instance tells", () => {
    const { health, left } = started();
    health.receive("acme", { coolDown: 2_505_600_000, failures: 1, named: true });
    expect(left()).to.equal(600_000);
  });

  it("comes back at once, here and elsewhere, when the operator clears the channel, and no other's does", () => {
    const { health, attempt, second, state, reported } = started();
    attempt(failed("auth", { status: 401 }), second);
    attempt(failed("failed", { status: 404, notAccepted: true, retryAfter: 5 }));
    attempt(failed("failed", { status: 500, retryAfter: 2_505_600 }));
    health.receive("acme-2", { coolDown: 5000, failures: 1, named: true });
    reported.length = 0;
    health.clear("acme");
    expect([state(), state(second)]).to.deep.equal(["well", "well"]);
    expect(health.coolDowns().map(({ scope }) => scope)).to.deep.equal(["acme-2"]);
    expect(reported.map(([scope, what]) => [scope.replace(/#.*/, "#"), what])).to.deep.equal([
      ["acme#", "well"],
      ["acme/m", "well"],
      ["acme", "well"],
    ]);
  });

  it("does not grow with requests that were under way when its rest began, nor end with them", () => {
    const { health, first, left, state, pass } = started();
    const began = Array.from({ length: 20 }, () => health.began(first));
    pass(100);
    for (const when of began) health.ended(first, when, unreachable);
    expect(left()).to.equal(5000);
    health.ended(first, began[0]!);
    expect(state()).to.equal("cooling_down");
  });
});

describe("the clock of cool-downs", () => {
  it("does not go back with the time of day", () => {
    const { health, now } = createRouting();
    const [candidate] = candidates() as [Candidate];
    health.ended(candidate, health.began(candidate), failed("overloaded", { status: 503, retryAfter: 5 }));
    const timeOfDay = Date.now;
    Date.now = () => timeOfDay() - 3_600_000;
    try {
      expect(health.standing(candidate).until - now()).to.be.within(4000, 5000);
    } finally {
      Date.now = timeOfDay;
    }
  });
});

describe("a rest", () => {
  const other = candidates(["k", "l"], "other");
  const rows: [string, ProviderFailure, [boolean, boolean, boolean, boolean], number][] = [
    // Whether these rest: the key on the model, the other key on it, the key on another model, the other key there; and for how long.
    ["401", failed("auth", { status: 401, notAccepted: true }), [true, false, true, false], 60_000],
    ["402", failed("quota", { status: 402, notAccepted: true }), [true, false, true, false], 60_000],
    ["403", failed("auth", { status: 403, notAccepted: true }), [true, false, false, false], 60_000],
    ["429", failed("rate_limit", { status: 429, notAccepted: true }), [true, false, false, false], 1000],
    ["429 with a time", failed("rate_limit", { status: 429, notAccepted: true, retryAfter: 20 }), [true, false, false, false], 20_000],
    ["503 with a time", failed("overloaded", { status: 503, notAccepted: true, retryAfter: 20 }), [true, true, false, false], 20_000],
    ["a connection refused", unreachable, [true, true, true, true], 5000],
  ];
  for (const [name, error, expected, wait] of rows) {
    it(`after ${name} is that of whoever is to blame`, () => {
      const { health, attempt, first, second, left } = started();
      attempt(error);
      const rest = [first, second, other[0]!, other[1]!].map((candidate) => health.standing(candidate).state !== "well");
      expect(rest).to.deep.equal(expected);
      expect(left()).to.equal(wait);
    });
  }

  it("after 404 is that of the model on the channel, after some in a row", () => {
    const { health, attempt, state, second } = started();
    for (let times = 0; times < 3; times += 1) attempt(failed("failed", { status: 404, notAccepted: true }));
    expect([state(), state(second), health.standing(other[0]!).state]).to.deep.equal(["cooling_down", "cooling_down", "well"]);
  });

  it("names no key", () => {
    const { health, attempt } = started();
    attempt(failed("auth", { status: 401 }));
    expect(health.coolDowns()[0]!.scope).to.match(/^acme#[0-9a-f]{16}$/);
  });
});

describe("what instances tell each other", () => {
  it("makes them rest, try and recover together", () => {
    const one = started();
    const two = started();
    const hand = () => one.reported.splice(0).forEach(([scope, reported]) => two.health.receive(scope, reported));
    one.attempt(unreachable);
    hand();
    expect([two.state(), two.left()]).to.deep.equal(["cooling_down", 5000]);
    for (const each of [one, two]) each.pass(5001);
    const began = one.health.began(one.first);
    hand();
    expect(two.state()).to.equal("cooling_down");
    one.health.ended(one.first, began);
    hand();
    expect([two.state(), two.health.coolDowns()]).to.deep.equal(["well", []]);
  });

  it("does not shorten a rest that is longer, nor invent one", () => {
    const { health, attempt, left, state } = started();
    attempt(failed("rate_limit", { retryAfter: 60 }));
    const [{ scope } = { scope: "" }] = health.coolDowns();
    health.receive(scope, { coolDown: 10, failures: 1, named: false });
    expect(left()).to.equal(60_000);
    health.receive("nobody", "tried");
    health.receive("nobody", "well");
    health.receive(scope, "well");
    expect(state()).to.equal("well");
  });
});
