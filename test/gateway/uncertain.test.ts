// Outcomes that several processes remember together.
import { expect } from "chai";
import { createMemoryState } from "../../src/gateway/shared-state.ts";
import { createUncertainOutcomes } from "../../src/gateway/uncertain.ts";
import { processes } from "../helpers/processes.ts";

const error = { code: "upstream_error", status: 502, message: "out of order", param: null };
const outcome = { client: "a", fingerprint: "f", request: "req_1", error };
const fingerprint = () => Promise.resolve("f");

describe("what processes remember together", () => {
  it("is an outcome that may have been paid for", async () => {
    const [one, other] = processes(2).map((state) => createUncertainOutcomes(state));
    await one?.add(outcome);
    const wanted = { client: "a", within: 60_000 };
    expect(await other?.find(wanted, fingerprint)).to.deep.include(outcome);
    expect(await other?.find({ ...wanted, client: "b" }, fingerprint)).to.equal(undefined);
    expect(await other?.find(wanted, () => Promise.resolve("g"))).to.equal(undefined);
    expect(await other?.find({ ...wanted, idempotencyKey: "k" }, fingerprint)).to.equal(undefined);
  });

  it("is that one goes on repeating", async () => {
    let now = 0;
    const [one, other] = processes(2).map((state) => createUncertainOutcomes(state, () => now));
    await one?.add(outcome);
    now = 10_000;
    expect(await other?.find({ client: "a", within: 15_000 }, fingerprint)).to.include({ age: 10_000, left: 30_000 });
    now = 39_000;
    expect(await one?.find({ client: "a", within: 15_000 }, fingerprint)).to.include({ age: 39_000, left: 111_000 });
  });
});

describe("what one process remembers", () => {
  it("is with the others before the answer leaves", async () => {
    let shared!: () => void;
    const share = () => new Promise<void>((resolve) => (shared = resolve));
    const outcomes = createUncertainOutcomes({ share, onShared: () => undefined });
    let isAdded = false;
    const added = outcomes.add(outcome).then(() => (isAdded = true));
    await new Promise(setImmediate);
    expect(isAdded).to.equal(false);
    shared();
    await added;
  });

  it("is bounded in number, and the oldest goes first", async () => {
    const outcomes = createUncertainOutcomes(createMemoryState());
    for (let index = 0; index <= 10_000; index += 1) await outcomes.add({ ...outcome, fingerprint: String(index) });
    const find = (name: string) => outcomes.find({ client: "a", within: 60_000 }, () => Promise.resolve(name));
    expect(await find("0")).to.equal(undefined);
    expect(await find("1")).not.to.equal(undefined);
  });

  it("works no fingerprint out for a client that has had no such outcome", async () => {
    const outcomes = createUncertainOutcomes(createMemoryState());
    await outcomes.add(outcome);
    const never = () => Promise.reject(new Error("it was asked for"));
    expect(await outcomes.find({ client: "b", within: 60_000 }, never)).to.equal(undefined);
    expect(await outcomes.find({ client: "a", within: 0 }, never)).to.equal(undefined);
  });

  // An SDK that doubles its pauses from one second on, as they are, and twice as long: LangChain's are between the two.
  for (const factor of [1, 2])
    it(`is kept for one who goes on repeating with pauses that double, from ${factor} s on, to the end`, async () => {
      let now = 0;
      const outcomes = createUncertainOutcomes(createMemoryState(), () => now);
      await outcomes.add(outcome);
      for (let retry = 0; retry < 6; retry += 1) {
        now += factor * 1000 * 2 ** retry;
        expect((await outcomes.find({ client: "a", within: 15_000 }, fingerprint))?.age).to.equal(now);
      }
      now = 150_000;
      expect(await outcomes.find({ client: "a", within: 15_000 }, fingerprint)).to.equal(undefined);
    });

  it("is not kept for one who made a pause that no pauses before it led to", async () => {
    let now = 0;
    const outcomes = createUncertainOutcomes(createMemoryState(), () => now);
    await outcomes.add(outcome);
    for (const [at, isFound] of [
      [3000, true],
      [15_000, false],
    ] as const) {
      now = at;
      expect((await outcomes.find({ client: "a", within: 15_000 }, fingerprint)) !== undefined).to.equal(isFound);
    }
  });

  it("ends with its time, whatever the clock of the machine says", async () => {
    let now = 0;
    const outcomes = createUncertainOutcomes(createMemoryState(), () => now);
    await outcomes.add(outcome);
    now = 1000;
    expect(await outcomes.find({ client: "a", within: 1000 }, fingerprint)).to.equal(undefined);
    now = 999;
    expect((await outcomes.find({ client: "a", within: 1000 }, fingerprint))?.age).to.equal(999);
  });
});
