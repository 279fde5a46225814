import { expect } from "chai";
import { GatewayError } from "../../src/errors.ts";
import { createTurns } from "../../src/picture/turns.ts";

const never = new AbortController().signal;

/** Work that ends when it is told to. */
function job() {
  let end!: () => void;
  let fail!: (error: Error) => void;
  const over = new Promise<void>((resolve, reject) => ([end, fail] = [resolve, reject]));
  const state = { begun: false };
  const work = () => {
    state.begun = true;
    return over;
  };
  return { state, work, end, fail };
}

const codeOf = (working: Promise<unknown>) =>
  working.then(
    () => "done",
    (error: unknown) => (error as GatewayError).code,
  );

describe("turns", () => {
  it("runs as many as it may, the others in the order they came", async () => {
    const turns = createTurns({ running: 2, waiting: 9, pixels: 100 });
    const jobs = [job(), job(), job(), job()];
    const done = jobs.map(({ work }) => turns.take(1, never, work));
    const begun = () => jobs.map(({ state }) => state.begun);
    await Promise.resolve();
    expect(begun()).to.deep.equal([true, true, false, false]);
    jobs[1]!.end();
    await done[1];
    expect(begun()).to.deep.equal([true, true, true, false]);
    for (const { end } of jobs) end();
    await Promise.all(done);
    expect(begun()).to.deep.equal([true, true, true, true]);
  });

  it("works on so many pixels at once, and lets nobody pass whom that keeps waiting", async () => {
    const turns = createTurns({ running: 3, waiting: 9, pixels: 1000, atOnce: 100 });
    const jobs = [job(), job(), job(), job()];
    const done = [80, 300, 10, 10].map((pixels, index) => turns.take(pixels, never, jobs[index]!.work));
    const begun = () => jobs.map(({ state }) => state.begun);
    await Promise.resolve();
    expect(begun()).to.deep.equal([true, false, false, false]);
    jobs[0]!.end();
    await done[0];
    expect(begun()).to.deep.equal([true, true, false, false]);
    jobs[1]!.end();
    await done[1];
    expect(begun()).to.deep.equal([true, true, true, true]);
    for (const { end } of jobs) end();
    await Promise.all(done);
  });

  it("gives the turn on after a failure", async () => {
    const turns = createTurns({ running: 1, waiting: 9, pixels: 100 });
    const [first, second] = [job(), job()];
    const failing = turns.take(1, never, first.work).catch((error: unknown) => error);
    const next = turns.take(1, never, second.work);
    first.fail(new RangeError("broken"));
    expect(await failing).to.be.instanceOf(RangeError);
    second.end();
    await next;
    expect(second.state.begun).to.equal(true);
  });

  it("refuses at once who would be one too many in the line", async () => {
    const turns = createTurns({ running: 1, waiting: 1, pixels: 100 });
    const [first, second] = [job(), job()];
    const done = [turns.take(1, never, first.work), turns.take(1, never, second.work)];
    expect(() => turns.admit())
      .to.throw(GatewayError)
      .with.property("retryAfter", 1);
    expect(await codeOf(turns.take(1, never, job().work))).to.equal("no_channel_available");
    for (const { end } of [first, second]) end();
    await Promise.all(done);
    expect(() => turns.admit()).not.to.throw();
  });

  it("refuses who has more pixels than there is room for, and takes them when there is", async () => {
    const turns = createTurns({ running: 1, waiting: 9, pixels: 100 });
    const first = job();
    const done = turns.take(60, never, first.work);
    expect(await codeOf(turns.take(41, never, job().work))).to.equal("no_channel_available");
    first.end();
    await done;
    expect(await turns.take(100, never, () => Promise.resolve("done"))).to.equal("done");
  });

  it("lets go of one that is aborted in the line, and keeps the turns of the others", async () => {
    const turns = createTurns({ running: 1, waiting: 9, pixels: 100 });
    const client = new AbortController();
    const [first, gone, last] = [job(), job(), job()];
    const running = turns.take(50, never, first.work);
    const leaving = turns.take(40, client.signal, gone.work).catch((error: unknown) => error);
    const waiting = turns.take(10, never, last.work);
    client.abort(new Error("hung up"));
    expect(await leaving).to.have.property("message", "hung up");
    const again = turns.take(40, never, () => Promise.resolve());
    for (const { end } of [first, last]) end();
    await Promise.all([running, waiting, again]);
    expect([gone.state.begun, last.state.begun]).to.deep.equal([false, true]);
  });

  it("does not begin for one that is gone already", async () => {
    const turns = createTurns({ running: 1, waiting: 9, pixels: 100 });
    const late = job();
    const error = await turns.take(1, AbortSignal.abort(new Error("gone")), late.work).catch((reason: unknown) => reason);
    expect([(error as Error).message, late.state.begun]).to.deep.equal(["gone", false]);
  });
});
