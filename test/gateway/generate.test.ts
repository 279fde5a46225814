import { expect } from "chai";
import { GatewayError, ProviderFailure } from "../../src/errors.ts";
import { createTable } from "../../src/gateway/table.ts";
import { compose } from "../../src/plugin/compose.ts";
import type { PluginContext } from "../../src/plugin/context.ts";
import { ask, failureOf, picture, route } from "./routes.ts";

describe("an attempt", () => {
  it("has a request of its own, and an input that nobody can change", async () => {
    const seen: unknown[] = [];
    const spoil = route("a", (ctx) => {
      ctx.request.prompt = "spoilt";
      (ctx.request.style as { deep: { list: number[] } }).deep.list.push(2);
      expect(() => ((ctx.input as { prompt: string }).prompt = "spoilt")).to.throw(TypeError);
      expect(() => (ctx.input.style as { deep: { list: number[] } }).deep.list.push(2)).to.throw(TypeError);
      ctx.change("style", { what: "spoilt" });
      ctx.result.pictures.push(picture);
      throw new ProviderFailure("overloaded", "no", { notAccepted: true });
    });
    const look = route("b", (ctx) => {
      seen.push(ctx.request, ctx.result.pictures.length);
      ctx.result.pictures.push(picture);
    });
    const { result, changes, attempts } = await ask([spoil, look]).answer;
    expect(seen).to.deep.equal([{ model: "m", prompt: "p", n: 1, style: { deep: { list: [1] } } }, 0]);
    expect([result.pictures.length, changes, attempts.map(({ outcome }) => outcome)]).to.deep.equal([1, [], ["overloaded", "ok"]]);
  });

  it("tells the same change once, and only what was said of it", async () => {
    const twice = route("a", (ctx) => {
      for (let call = 0; call < 2; call += 1) ctx.change("size", { from: "a", to: "b" });
      ctx.change("seed", { what: "dropped" });
      ctx.result.pictures.push(picture);
    });
    expect((await ask([twice]).answer).changes).to.deep.equal([
      { field: "size", from: "a", to: "b" },
      { field: "seed", what: "dropped" },
    ]);
  });

  it("ends the downloads that were begun for it when it fails", async () => {
    let signal: AbortSignal | undefined;
    const broken = new TypeError("broken");
    const failing = route("a", (ctx) => {
      signal = ctx.signal;
      throw broken;
    });
    const { answer, attempts } = ask([failing, route("b", () => expect.fail("a fault of a plugin is not tried again"))]);
    expect(await failureOf(answer)).to.equal(broken);
    expect([signal?.aborted, attempts.map(({ outcome }) => outcome)]).to.deep.equal([true, ["error"]]);
  });

  it("has one signal, which is that of each of its calls", async () => {
    const signals: AbortSignal[] = [];
    const several = route("a", async (ctx) => {
      const calls = compose(
        [
          async (_ctx, _next, branch) => {
            await Promise.all([branch({ n: 1 }), branch({ n: 1 })]);
          },
        ],
        (own) => Promise.resolve(void signals.push(own.signal)),
      );
      await calls(ctx);
      signals.push(ctx.signal);
      ctx.result.pictures.push(picture);
    });
    await ask([several]).answer;
    expect(signals).to.deep.equal([signals[0], signals[0], signals[0]]);
    expect(signals[0]).to.be.instanceOf(AbortSignal);
  });

  it("has the time that its channel gives it, also where that is more than a timer can count", async () => {
    const wait = (ctx: PluginContext, _key: unknown, _progress: unknown, { inTime }: { inTime: AbortSignal }) =>
      new Promise<void>((resolve, reject) => {
        ctx.result.pictures.push(picture);
        const timer = setTimeout(resolve, 100);
        inTime.addEventListener("abort", () => {
          clearTimeout(timer);
          reject(inTime.reason as Error);
        });
      });
    expect(await failureOf(ask([route("a", wait, { timeout: 20 })]).answer)).to.include({ code: "upstream_timeout", status: 504 });
    expect((await ask([route("a", wait, { timeout: 1e12 })]).answer).result.pictures).to.have.length(1);
  });

  it("ends when the client goes, before it begins or later, and is no failure of the provider", async () => {
    const gone = new Error("the client hung up");
    const listen = route("a", (ctx) => ctx.signal.throwIfAborted());
    expect(await failureOf(ask([listen], { signal: AbortSignal.abort(gone) }).answer)).to.equal(gone);
    const client = new AbortController();
    const later = route("a", async (ctx) => {
      client.abort(gone);
      await Promise.resolve();
      ctx.signal.throwIfAborted();
    });
    const { answer, attempts } = ask([later], { signal: client.signal });
    expect(await failureOf(answer)).to.equal(gone);
    expect(attempts.map(({ outcome }) => outcome)).to.deep.equal(["client_gone"]);
  });

  it("with fewer pictures than asked for is a failure where the channel says so, and never repeated", async () => {
    const one = route("a", (ctx) => void ctx.result.pictures.push(picture), { partial: "fail" });
    expect(await failureOf(ask([one, one], { n: 2 }).answer)).to.include({ code: "upstream_error", message: "1 of 2 pictures came back" });
    expect((await ask([{ ...one, partial: "keep" }], { n: 2 }).answer).changes).to.deep.equal([{ field: "n", from: 2, to: 1 }]);
  });

  it("cannot be made where nobody serves the model", async () => {
    expect(await failureOf(ask([]).answer))
      .to.be.instanceOf(GatewayError)
      .that.includes({ code: "no_channel_available", status: 503 });
  });
});

describe("the table", () => {
  it("asks by priority, and in the order of the files within one", () => {
    const routes = [route("c", () => undefined, { priority: 1 }), route("a", () => undefined), route("b", () => undefined)];
    const { models } = createTable({ channels: [], routes });
    expect(models.get("m")?.routes.map(({ channel }) => channel.name)).to.deep.equal(["a", "b", "c"]);
  });
});
