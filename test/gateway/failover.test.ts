import { expect } from "chai";
import type { Route } from "../../src/channels/route.ts";
import { GatewayError, ProviderFailure, type FailureClass } from "../../src/errors.ts";
import { createRouting } from "../../src/gateway/routing.ts";
import { ask, entryOf, failureOf, newRouting, picture, route } from "./routes.ts";

const good = (name: string, more: Parameters<typeof route>[2] = {}) => route(name, (ctx) => void ctx.result.pictures.push(picture), more);

/** A route whose submissions fail so. */
function bad(
  name: string,
  kind: FailureClass,
  details: ConstructorParameters<typeof ProviderFailure>[2] = {},
  more: Parameters<typeof route>[2] = {},
): Route {
  return route(
    name,
    (_ctx, _key, progress) => {
      progress.submitted = true;
      throw new ProviderFailure(kind, `${name} said no`, details);
    },
    more,
  );
}

const unfit = (name: string) =>
  route(name, () => {
    throw new GatewayError("invalid_value", `${name} takes no such size`, { param: "size" });
  });

const proof = { notAccepted: true };

/** One request, and whom it was tried with. */
async function tried(routes: Route[], more: Parameters<typeof ask>[1] = {}) {
  const { answer, attempts } = ask(routes, more);
  const outcome = await answer.then(
    () => undefined,
    (error: unknown) => error as GatewayError,
  );
  return { error: outcome, attempts: attempts.map((attempt) => `${attempt.route.channel.name} ${attempt.outcome}`).join(", ") };
}

describe("choosing", () => {
  it("passes over a channel that cannot send this very request", async () => {
    expect(await tried([unfit("a"), good("b")])).to.deep.equal({ error: undefined, attempts: "a unfit, b ok" });
  });

  it("tells the first 400 where no channel can", async () => {
    const { error, attempts } = await tried([unfit("a"), unfit("b")]);
    expect(error).to.include({ code: "invalid_value", status: 400, param: "size", message: "a takes no such size" });
    expect(attempts).to.equal("a unfit, b unfit");
  });

  it("tells the failure of the channel that could, before the 400 of one that cannot", async () => {
    expect((await tried([unfit("a"), bad("b", "overloaded", { ...proof, status: 503 })])).error).to.include({
      status: 503,
      message: "b said no",
    });
  });

  it("tells what the client can do something about before what only the operator can", async () => {
    const limited = bad("a", "rate_limit", { ...proof, retryAfter: 9 });
    expect((await tried([limited, bad("b", "auth", proof)])).error).to.include({ status: 429, retryAfter: 9 });
    expect((await tried([bad("b", "auth", proof), limited])).error).to.include({ status: 429, retryAfter: 9 });
    expect((await tried([bad("b", "auth", proof)])).error).to.include({ status: 502, code: "upstream_error" });
  });

  it("leaves a channel that rests for the last", async () => {
    const routing = newRouting();
    const routes = [bad("a", "failed", proof), good("b")];
    expect((await tried(routes, { routing })).attempts).to.equal("a failed, b ok");
    expect((await tried(routes, { routing })).attempts).to.equal("b ok");
    expect((await tried([routes[0]!], { routing })).attempts).to.equal("a failed");
    expect((await tried([routes[0]!, bad("c", "overloaded", proof)], { routing })).attempts).to.equal("c overloaded, a failed");
  });

  it("tries those that rest in the order in which their rests end", async () => {
    let time = 1000;
    const routing = createRouting({ now: () => time, random: () => 0.5 });
    for (const name of ["b", "a", "c"]) {
      await tried([bad(name, "failed", proof)], { routing });
      time += 10;
    }
    const all = ["a", "b", "c"].map((name) => bad(name, "failed", proof));
    expect((await tried(all, { routing })).attempts).to.equal("b failed, a failed, c failed");
  });

  it("holds a channel back for the time that its provider named, and says how long that is", async () => {
    let time = 1000;
    const routing = createRouting({ now: () => time });
    const limited = bad("a", "rate_limit", { ...proof, retryAfter: 20 });
    await tried([limited], { routing });
    time += 5500;
    const { error, attempts } = await tried([limited], { routing });
    expect(attempts).to.equal("");
    expect(error).to.include({ status: 429, code: "rate_limit_exceeded", retryAfter: 15 });
    expect((await tried([limited, good("b")], { routing })).attempts).to.equal("b ok");
    time += 15_000;
    expect((await tried([good("a")], { routing })).attempts).to.equal("a ok");
  });

  it("lets one key rest alone", async () => {
    const routing = newRouting();
    const keys: unknown[] = [];
    const two = route(
      "a",
      (ctx, key) => {
        keys.push(key);
        if (key === "one") throw new ProviderFailure("auth", "no", { ...proof, status: 401 });
        ctx.result.pictures.push(picture);
      },
      { channel: { keys: ["one", "two"] } },
    );
    for (let times = 0; times < 3; times += 1) expect((await tried([two], { routing })).error).to.equal(undefined);
    expect(keys).to.deep.equal(["one", "two", "two", "two"]);
  });

  it("asks only the channel that the client chose", async () => {
    expect((await tried([good("a"), good("b")], { pinned: "b" })).attempts).to.equal("b ok");
    expect(await tried([good("a"), bad("b", "overloaded", proof)], { pinned: "b" })).to.deep.include({ attempts: "b overloaded" });
  });
});

describe("failing over", () => {
  it("asks another only with a proof, or where the operator takes the risk", async () => {
    expect((await tried([bad("a", "timeout"), good("b")])).attempts).to.equal("a timeout");
    expect((await tried([bad("a", "timeout", {}, { unsafe: true }), good("b")])).attempts).to.equal("a timeout, b ok");
  });

  it("does not ask another once pictures were had, whatever is said afterwards", async () => {
    const fetching = route("a", (_ctx, _key, progress) => {
      Object.assign(progress, { submitted: true, accepted: true });
      throw new ProviderFailure("failed", "the picture could not be reached", proof);
    });
    expect((await tried([fetching, good("b")])).attempts).to.equal("a failed");
  });

  it("asks the same key again where a rule says so, twice at most, and not after a long wait", async () => {
    let times = 0;
    const flaky = (retryAfter: number, until: number) =>
      route("a", (ctx) => {
        times += 1;
        if (times <= until) throw new ProviderFailure("failed", "no", { ...proof, then: "retry", status: 500, retryAfter });
        ctx.result.pictures.push(picture);
      });
    expect((await tried([flaky(0.001, 1)])).attempts).to.equal("a failed, a ok");
    times = 0;
    expect((await tried([flaky(0.001, 9), good("b")])).attempts).to.equal("a failed, a failed, a failed, b ok");
    times = 0;
    expect((await tried([flaky(31, 9), good("b")])).attempts).to.equal("a failed, b ok");
  });

  it("does not wait for the same key once the client is gone", async () => {
    const client = new AbortController();
    const gone = new Error("the client hung up");
    const again = bad("a", "failed", { ...proof, then: "retry", retryAfter: 20 });
    const { answer } = ask([again], { signal: client.signal });
    setImmediate(() => client.abort(gone));
    expect(await failureOf(answer)).to.equal(gone);
  });
});

describe("a model that stands in", () => {
  const input = () => ({ request: { model: "other", prompt: "p", n: 1 }, changes: [] });
  const other = { entry: entryOf([good("o")], "other"), input };

  it("is asked where no channel of the model can serve it, and is told", async () => {
    const { answer, attempts } = ask([bad("a", "overloaded", proof)], { standIns: [other] });
    expect((await answer).changes).to.deep.equal([{ field: "model", from: "m", to: "other" }]);
    expect(attempts.map((attempt) => attempt.route.channel.name)).to.deep.equal(["a", "o"]);
  });

  it("is not asked where a picture may have been made, nor for what the client did wrong", async () => {
    for (const [first, told] of [
      [bad("a", "timeout"), "a timeout"],
      [bad("a", "refused"), "a refused"],
      [unfit("a"), "a unfit"],
    ] as const)
      expect((await tried([first], { standIns: [other] })).attempts).to.equal(told);
  });

  it("is passed over where its schema does not take the request; then what befell the model itself is told", async () => {
    const strict = {
      entry: other.entry,
      input: () => {
        throw new GatewayError("invalid_value", "not here");
      },
    };
    expect((await tried([bad("a", "overloaded", proof)], { standIns: [strict, other] })).attempts).to.equal("a overloaded, o ok");
    const failing = { entry: entryOf([bad("o", "rate_limit", proof)], "other"), input };
    expect((await tried([bad("a", "overloaded", proof)], { standIns: [strict, failing] })).error).to.include({ message: "a said no" });
    const broken = {
      entry: other.entry,
      input: () => {
        throw new TypeError("a fault");
      },
    };
    expect((await tried([bad("a", "overloaded", proof)], { standIns: [broken] })).error).to.be.instanceOf(TypeError);
  });
});
