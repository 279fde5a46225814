import { expect } from "chai";
import fc from "fast-check";
import { usualFailure } from "../../src/dialect/failure.ts";
import { usualOf } from "../../src/dialect/usual.ts";
import { GatewayError, ProviderFailure } from "../../src/errors.ts";
import { createRouting } from "../../src/gateway/routing.ts";
import { runs } from "../fuzz/runs.ts";
import { ask, picture, route } from "./routes.ts";

/** What a provider does with a submission, and whether it may have made a picture that has to be paid for. */
interface Behaviour {
  name: string;
  error: () => Error;
  mayBePaid: boolean;
  /** Whether the request itself is found wrong, so that nobody else is asked. */
  isFinal?: boolean;
  /** Whether it fails before anything is submitted. */
  isBefore?: boolean;
}

const status = (code: number, mayBePaid: boolean, headers: Record<string, string> = {}): Behaviour => ({
  name: String(code),
  error: () => usualFailure(usualOf({ status: code, headers, body: {} })),
  mayBePaid,
});
const failure = (name: string, mayBePaid: boolean, ...how: ConstructorParameters<typeof ProviderFailure>): Behaviour => ({
  name,
  error: () => new ProviderFailure(...how),
  mayBePaid,
});

const harmless: Behaviour[] = [
  ...[401, 402, 403, 404, 405, 425, 429, 503, 529].map((code) => status(code, false)),
  ...[429, 503].map((code) => status(code, false, { "retry-after": "7" })),
  failure("refused connection", false, "failed", "no", { notAccepted: true }),
  failure("no connection in time", false, "timeout", "no", { notAccepted: true }),
  failure("a rule's next channel", false, "invalid_request", "no", { notAccepted: true, status: 400, then: "next_channel" }),
  { name: "unfit", error: () => new GatewayError("invalid_value", "no"), mayBePaid: false, isBefore: true },
];

const doubtful: Behaviour[] = [
  ...[200, 408, 500, 502, 504, 524].map((code) => status(code, true)),
  failure("reset", true, "failed", "no"),
  failure("hung", true, "timeout", "no"),
  failure("cut", true, "bad_response", "no"),
  failure("a task that failed", true, "failed", "no", { status: 200, notAccepted: false }),
  failure("an overloaded task", true, "overloaded", "no", { status: 503, notAccepted: false, then: "next_key" }),
  { name: "fault", error: () => new TypeError("a fault"), mayBePaid: true },
  { ...failure("refusal", false, "refused", "no", { status: 400 }), isFinal: true },
  { ...status(422, false), isFinal: true },
];

const good: Behaviour = { name: "ok", error: () => new Error("never thrown"), mayBePaid: true };

/** Channels with their keys, and what each does, one submission after the other. */
const channelsOf = (behaviours: Behaviour[]) =>
  fc.array(
    fc.record({
      keys: fc.integer({ min: 0, max: 3 }),
      priority: fc.integer({ min: 0, max: 2 }),
      weight: fc.integer({ min: 1, max: 5 }),
      concurrency: fc.option(fc.integer({ min: 1, max: 2 }), { nil: undefined }),
      script: fc.array(fc.constantFrom(...behaviours), { minLength: 1, maxLength: 6 }),
    }),
    { minLength: 1, maxLength: 4 },
  );

type Drawn = typeof channelsOf extends (behaviours: Behaviour[]) => fc.Arbitrary<infer T> ? T : never;

/** The channels as routes; `seen` gets each submission of the request with this prompt as it is made. */
function routesOf(channels: Drawn, seen: Behaviour[], pass: (milliseconds: number) => void) {
  return channels.map(({ keys, priority, weight, concurrency, script }, index) => {
    let calls = 0;
    return route(
      `c${index}`,
      (ctx, _key, progress) => {
        const behaviour = script[calls % script.length] ?? good;
        calls += 1;
        pass(500);
        if (!behaviour.isBefore) progress.submitted = true;
        seen.push(behaviour);
        if (behaviour !== good) throw behaviour.error();
        ctx.result.pictures.push(picture);
      },
      {
        priority,
        weight,
        channel: {
          keys: Array.from({ length: keys }, (_, key) => `k${key}`),
          limits: { all: { concurrency }, perKey: {}, queue: 10, queueTimeout: 1000 },
        },
      },
    );
  });
}

/** A process with a clock of its own, in which chance is drawn too. */
function processOf(chance: number[]) {
  let time = 0;
  let draws = 0;
  return {
    pass: (milliseconds: number) => (time += milliseconds),
    routing: createRouting({ now: () => time, random: () => chance[draws++ % chance.length] ?? 0 }),
  };
}

const chances = fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 1, maxLength: 8 });

describe("random runs over failures, channels and keys", () => {
  it("never order again where a picture may have been ordered, nor where the request itself is wrong", async () => {
    await fc.assert(
      fc.asyncProperty(
        channelsOf([...harmless, ...doubtful, good]),
        chances,
        fc.integer({ min: 1, max: 4 }),
        async (channels, chance, requests) => {
          const seen: Behaviour[] = [];
          const { routing, pass } = processOf(chance);
          const routes = routesOf(channels, seen, pass);
          for (let request = 0; request < requests; request += 1) {
            seen.length = 0;
            const { answer, attempts } = ask(routes, { routing });
            const made = await answer.then(
              () => true,
              () => false,
            );
            const last = seen.at(-1);
            for (const behaviour of seen.slice(0, -1)) expect(behaviour.mayBePaid || behaviour.isFinal, behaviour.name).to.not.equal(true);
            expect(made).to.equal(last === good);
            // What the client's retries go by.
            expect(attempts.map(({ mayCost }) => mayCost)).to.deep.equal(seen.map(({ mayBePaid }) => mayBePaid));
            pass(3000);
          }
          for (const { channel } of routes) expect(routing.limits.inFlight(channel.name)).to.equal(0);
        },
      ),
      { numRuns: runs(1000) },
    );
  }).timeout(600_000);

  it("always end with the picture where one channel is healthy and the others fail without doubt", async () => {
    await fc.assert(
      fc.asyncProperty(channelsOf(harmless), chances, fc.nat(), async (channels, chance, place) => {
        const seen: Behaviour[] = [];
        const { routing, pass } = processOf(chance);
        const healthy = { keys: 1, priority: place % 3, weight: 1, concurrency: undefined, script: [good] };
        const all = [...channels.slice(0, place % 4), healthy, ...channels.slice(place % 4)];
        const routes = routesOf(all, seen, pass);
        for (let request = 0; request < 3; request += 1) expect((await ask(routes, { routing }).answer).result.pictures).to.have.length(1);
      }),
      { numRuns: runs(100) },
    );
  }).timeout(600_000);
});
