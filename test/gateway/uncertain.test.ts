// Outcomes that several processes remember together.
import { expect } from "chai";
import { createLateAnswers } from "../../src/gateway/late.ts";
import { createMemoryState } from "../../src/gateway/shared-state.ts";
import { createUncertainOutcomes } from "../../src/gateway/uncertain.ts";
import { processes } from "../helpers/processes.ts";

const error = { code: "upstream_error", status: 502, message: "out of order", param: null };
const outcome = { client: "a", fingerprint: "f", request: "req_1", error };
const fingerprint = () => Promise.resolve("f");

describe("what processes remember together", () => {
  it("is an outcome that may have been paid for", async () => {
    const [one, other] = processes(2).map((state) => createUncertainOutcomes(state));
    one?.add(outcome);
    const wanted = { client: "a", within: 60_000 };
    expect(await other?.find(wanted, fingerprint)).to.deep.include(outcome);
    expect(await other?.find({ ...wanted, client: "b" }, fingerprint)).to.equal(undefined);
    expect(await other?.find(wanted, () => Promise.resolve("g"))).to.equal(undefined);
    expect(await other?.find({ ...wanted, idempotencyKey: "k" }, fingerprint)).to.equal(undefined);
  });

  it("is an answer that came late", () => {
    const [one, other] = processes(2).map((state) => createLateAnswers(state));
    const answer = {
      id: "req_1",
      client: "a",
      model: "m",
      createdAt: Date.now() / 1000,
      status: "completed" as const,
      result: { data: [] },
    };
    one?.put(answer);
    expect(other?.find("req_1", "a")).to.deep.equal(answer);
    expect(other?.find("req_1", "b")).to.equal(undefined);
  });
});

describe("an answer that came late", () => {
  it("stays when the note of its beginning comes after it", () => {
    const [one, other] = processes(2).map((state) => ({ state, late: createLateAnswers(state) }));
    const begun = { id: "req_1", client: "a", model: "m", createdAt: Date.now() / 1000, status: "in_progress" as const };
    one?.late.put(begun);
    expect(other?.late.find("req_1", "a")?.status).to.equal("in_progress");
    one?.late.put({ ...begun, status: "completed", result: {} });
    one?.state.share("late", begun);
    expect(other?.late.find("req_1", "a")?.status).to.equal("completed");
  });
});

describe("what one process remembers", () => {
  it("is bounded in number, and the oldest goes first", async () => {
    const outcomes = createUncertainOutcomes(createMemoryState());
    for (let index = 0; index <= 10_000; index += 1) outcomes.add({ ...outcome, fingerprint: String(index) });
    const find = (name: string) => outcomes.find({ client: "a", within: 60_000 }, () => Promise.resolve(name));
    expect(await find("0")).to.equal(undefined);
    expect(await find("1")).not.to.equal(undefined);
  });

  it("works no fingerprint out for a client that has had no such outcome", async () => {
    const outcomes = createUncertainOutcomes(createMemoryState());
    outcomes.add(outcome);
    const never = () => Promise.reject(new Error("it was asked for"));
    expect(await outcomes.find({ client: "b", within: 60_000 }, never)).to.equal(undefined);
    expect(await outcomes.find({ client: "a", within: 0 }, never)).to.equal(undefined);
  });

  it("ends with its time, whatever the clock of the machine says", async () => {
    let now = 0;
    const outcomes = createUncertainOutcomes(createMemoryState(), () => now);
    outcomes.add(outcome);
    now = 999;
    expect((await outcomes.find({ client: "a", within: 1000 }, fingerprint))?.age).to.equal(999);
    now = 1000;
    expect(await outcomes.find({ client: "a", within: 1000 }, fingerprint)).to.equal(undefined);
  });

  it("is no more text of late answers than there is room for, and the oldest goes first", () => {
    const late = createLateAnswers(createMemoryState());
    const result = { words: "x".repeat(30 * 1024 * 1024) };
    const put = (id: string, more: object) =>
      late.put({ id, client: "a", model: "m", createdAt: Date.now() / 1000, status: "completed", ...more });
    const kept = () => ["1", "2", "3", "4"].filter((id) => late.find(id, "a")).join("");
    put("1", { result });
    put("2", {});
    put("3", { result });
    expect(kept()).to.equal("123");
    // What takes the place of another does not count twice.
    put("3", { result });
    expect(kept()).to.equal("123");
    put("4", { result });
    expect(kept()).to.equal("234");
    // A single one that is too large is not kept.
    put("4", { result: { words: [result, result, result] } });
    expect(kept()).to.equal("");
  });

  it("is an answer that came late, for a day", () => {
    let now = Date.now();
    const late = createLateAnswers(createMemoryState(), () => now);
    late.put({ id: "req_1", client: "a", model: "m", createdAt: now / 1000, status: "in_progress" });
    now += 86_401_000;
    expect(late.find("req_1", "a")).to.equal(undefined);
  });
});
