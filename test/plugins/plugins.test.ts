import { expect } from "chai";
import { GatewayError, ProviderFailure } from "../../src/errors.ts";
import type { Picture } from "../../src/picture/picture.ts";
import { solidPng } from "../../src/picture/png.ts";
import { compose, emptyResult } from "../../src/plugin/compose.ts";
import type { PluginContext } from "../../src/plugin/context.ts";
import { itemError } from "../../src/plugin/outcomes.ts";
import { failureOf, run, url } from "./run.ts";

describe("fan-out", () => {
  const options = { max: 1, concurrency: 2, partial: "keep" };

  it("runs no more calls at a time than it may, and keeps their order", async () => {
    let running = 0;
    let most = 0;
    const { result, sent } = await run("fan-out", options, { n: 5, seed: 0 }, async ({ request }) => {
      most = Math.max(most, (running += 1));
      await new Promise((resolve) => setTimeout(resolve, 12 - 2 * Number(request.seed)));
      running -= 1;
      return { pictures: [url(String(request.seed))] };
    });
    expect(most).to.equal(2);
    expect(sent.every(({ n }) => n === 1)).to.equal(true);
    expect(result.pictures).to.deep.equal(["0", "1", "2", "3", "4"].map(url));
  });

  it("begins no further call once one failed, where that fails the request", async () => {
    const failing = run("fan-out", { max: 1, concurrency: 1, partial: "fail" }, { n: 4 }, () => {
      throw new ProviderFailure("rate_limit", "slow down", { notAccepted: true });
    });
    expect(await failureOf(failing)).to.include({ kind: "rate_limit", message: "slow down" });
  });

  for (const [name, failures, notAccepted] of [
    ["nothing was made", [true, true], true],
    ["one may have been made", [true, false], false],
    ["one was made", [true, undefined], false],
  ] as const) {
    it(`lets another attempt follow only if nothing was made: ${name}`, async () => {
      let call = 0;
      const failing = run("fan-out", { max: 1, concurrency: 2, partial: "fail" }, { n: 2 }, () => {
        const proof = failures[call++];
        if (proof === undefined) return { pictures: [url("1")] };
        throw new ProviderFailure("failed", "no", { notAccepted: proof });
      });
      expect(await failureOf(failing)).to.have.nested.property("details.notAccepted", notAccepted);
    });
  }

  it("tells the URLs of all pictures that no call could hand on", async () => {
    let call = 0;
    const failing = run("fan-out", options, { n: 3 }, () => {
      call += 1;
      throw new ProviderFailure("failed", "no", {
        notAccepted: call === 1,
        pictures: call === 1 ? undefined : [`https://a.example/${call}`],
      });
    });
    const failure = await failureOf(failing);
    expect(failure).to.have.nested.property("details.notAccepted", false);
    expect(itemError(failure).message).to.equal("no; what was made is at https://a.example/2 and https://a.example/3");
  });

  it("throws a fault of a plugin as it is, and hides it beside pictures", async () => {
    const broken = new TypeError("undefined is not a function");
    expect(
      await failureOf(
        run("fan-out", options, { n: 2 }, () => {
          throw broken;
        }),
      ),
    ).to.equal(broken);
    let call = 0;
    const { result } = await run("fan-out", options, { n: 3 }, () => {
      call += 1;
      if (call === 2) throw new RangeError("a detail of ours");
      if (call === 3) throw new GatewayError("invalid_value", "no");
      return { pictures: [url("1")] };
    });
    expect(result.errors).to.deep.equal([
      { message: "internal error", code: "internal_error" },
      { message: "no", code: "invalid_value" },
    ]);
  });

  it("has no usage where no call told one", async () => {
    const { result } = await run("fan-out", options, { n: 2 }, () => ({ pictures: [url("1")] }));
    expect(result.facts.usage).to.equal(undefined);
  });
});

describe("passthrough", () => {
  const provider = () => ({});

  it("keeps only the fields it is told to, and says which it dropped", async () => {
    const { sent, changes } = await run("passthrough", { keep: [] }, { size: "1x1", style: "s", seed: 1 }, provider);
    expect(sent[0]).to.deep.equal({ model: "m", prompt: "p", n: 1, size: "1x1" });
    expect(changes).to.deep.equal([
      { field: "style", what: "dropped", from: "s" },
      { field: "seed", what: "dropped", from: 1 },
    ]);
  });

  it("drops, presets and renames", async () => {
    const options = { drop: ["style"], default: { watermark: false, seed: 9 }, rename: { seed: "random_seed", user: "u" } };
    const { sent, changes } = await run("passthrough", options, { style: "s", seed: 1 }, provider);
    expect(sent[0]).to.deep.equal({ model: "m", prompt: "p", n: 1, watermark: false, random_seed: 1 });
    expect(changes).to.deep.equal([
      { field: "watermark", to: false },
      { field: "style", what: "dropped", from: "s" },
    ]);
  });

  it("tells of a field whose place another takes", async () => {
    const { sent, changes } = await run("passthrough", { rename: { seed: "random_seed" } }, { seed: 1, random_seed: 2 }, provider);
    expect(sent[0]).to.deep.equal({ model: "m", prompt: "p", n: 1, random_seed: 1 });
    expect(changes).to.deep.equal([{ field: "random_seed", from: 2, to: 1 }]);
  });

  it("refuses a field only where it is there, also one with a prototype's name", async () => {
    const { sent } = await run("passthrough", { reject: ["user", "constructor"] }, { style: "s" }, provider);
    expect(sent).to.have.length(1);
    expect(await failureOf(run("passthrough", { reject: ["user"] }, { user: "u" }, provider))).to.include({
      code: "unknown_parameter",
      param: "user",
    });
  });

  it("presets a field with a prototype's name", async () => {
    const { sent } = await run("passthrough", { default: { toString: 1 }, rename: { valueOf: "v" } }, {}, provider);
    expect(Object.hasOwn(sent[0]!, "toString") && !Object.hasOwn(sent[0]!, "v")).to.equal(true);
  });
});

describe("inspect", () => {
  const bytes = { data: { kind: "bytes" as const, bytes: solidPng(8, 8) } };
  const options = { mismatch: "report", fetch: false };

  it("tells a size and a format that are not what was asked for", async () => {
    const { changes, result } = await run("inspect", options, { size: "9x9", output_format: "webp" }, () => ({ pictures: [bytes] }));
    expect(changes).to.deep.equal([
      { field: "size", from: "9x9", to: "8x8" },
      { field: "output_format", from: "webp", to: "png" },
    ]);
    expect(result.pictures[0]).to.include({ mediaType: "image/png", width: 8, height: 8 });
  });

  it("refuses them where it is told to", async () => {
    const failing = run("inspect", { ...options, mismatch: "reject" }, { size: "9x9" }, () => ({ pictures: [bytes] }));
    expect(await failureOf(failing)).to.include({ kind: "bad_response", message: "size 9x9 was asked for and a picture of 8x8 came back" });
  });

  it("keeps the others where it refuses one", async () => {
    const pictures = [bytes, { data: { kind: "bytes" as const, bytes: solidPng(9, 9) } }];
    const { result } = await run("inspect", { ...options, mismatch: "reject" }, { size: "8x8" }, () => ({ pictures }));
    expect(result.pictures).to.have.length(1);
    expect(result.errors.map(({ code }) => code)).to.deep.equal(["bad_upstream_response"]);
  });

  it("says nothing of what is right, or was not asked for", async () => {
    for (const request of [{}, { size: "8x8", output_format: "png" }, { size: "auto" }, { size: "1:1(2K)" }])
      expect((await run("inspect", options, request, () => ({ pictures: [bytes] }))).changes).to.deep.equal([]);
  });

  it("judges a ratio by four percent", async () => {
    const made = (width: number, height: number) => ({ data: { kind: "bytes" as const, bytes: solidPng(width, height) } });
    const told = async (size: string, ...sides: [number, number]) =>
      (await run("inspect", options, { size }, () => ({ pictures: [made(...sides)] }))).changes;
    expect(await told("4:5", 896, 1152)).to.deep.equal([]);
    expect(await told("9:19.5(1K)", 90, 195)).to.deep.equal([]);
    expect(await told("2K", 8, 64)).to.deep.equal([]);
    expect(await told("4:5", 1024, 1024)).to.deep.equal([{ field: "size", from: "4:5", to: "1024x1024" }]);
    expect(await told("16:9(2K)", 1024, 1792)).to.deep.equal([{ field: "size", from: "16:9(2K)", to: "1024x1792" }]);
  });

  it("looks at a URL's picture only where it is told to", async () => {
    const pictures = [url("1")];
    expect((await run("inspect", options, { size: "9x9" }, () => ({ pictures }))).changes).to.deep.equal([]);
    const { changes, result } = await run("inspect", { ...options, fetch: true }, { size: "9x9" }, () => ({ pictures }));
    expect(changes).to.deep.equal([{ field: "size", from: "9x9", to: "8x8" }]);
    expect(result.pictures[0]?.data).to.deep.equal(pictures[0]?.data);
    const own = [{ data: { ...url("1").data, own: true as const } }];
    expect((await run("inspect", { ...options, fetch: true }, {}, () => ({ pictures: own }))).fetched).to.deep.equal([]);
  });
});

describe("response-format", () => {
  it("fails where paid pictures cannot be fetched, and tells the URLs of all; never one that shows the key", async () => {
    const lost = () => Promise.reject(new ProviderFailure("bad_response", "late", { status: 404 }));
    const ask = (...pictures: Picture[]) =>
      run("response-format", {}, { response_format: "b64_json" }, () => ({ pictures }), { fetchPicture: lost });
    const message = "the picture could not be fetched for b64_json: late";
    const told = async (...pictures: Picture[]) => itemError(await failureOf(ask(...pictures))).message;
    expect(await failureOf(ask(url("1")))).to.include({ kind: "bad_response", message });
    expect(await told(url("1"), url("2"))).to.equal(`${message}; what was made is at https://a.example/1 and https://a.example/2`);
    expect(await told({ data: { ...url("1").data, secret: true } })).to.equal("late");
    const { result } = await ask(url("1"), { data: { kind: "bytes", bytes: solidPng(8, 8) } });
    expect(result.errors).to.deep.equal([
      { message: `${message}; what was made is at https://a.example/1`, code: "bad_upstream_response" },
    ]);
  });

  it("throws a fault of its own, whatever else worked", async () => {
    const pictures = [url("1"), { data: { kind: "url" as const, url: "gone" } }];
    const { result } = await run("response-format", {}, { response_format: "b64_json" }, () => ({ pictures }));
    expect([result.pictures.length, result.errors]).to.deep.equal([
      1,
      [{ message: "the picture could not be fetched for b64_json: gone; what was made is at gone", code: "bad_upstream_response" }],
    ]);
    expect(
      await failureOf(run("response-format", {}, { response_format: "b64_json" }, () => ({ pictures: pictures.slice(1) }))),
    ).to.be.instanceOf(ProviderFailure);
    expect(
      await failureOf(
        run("response-format", {}, { response_format: "b64_json" }, () => ({ pictures: [url("1"), { data: undefined as never }] })),
      ),
    ).to.be.instanceOf(TypeError);
  });
});

describe("size-map", () => {
  const map = async (options: object, size: string) =>
    (await run("size-map", { auto: "keep", otherwise: "reject", ...options }, { size }, () => ({}))).sent[0]?.size;

  it("sends a size that nothing fits as it is where it is told to", async () => {
    expect(await map({ max_side: 100, otherwise: "keep" }, "200x200")).to.equal("200x200");
    expect(await map({ otherwise: "keep" }, "16:9")).to.equal("16:9");
  });

  it("reads its own table as clients write", async () => {
    expect(await map({ table: { "16:9 (4k)": "wide", huge: "x" } }, "16:9(4K)")).to.equal("wide");
    expect(await map({ tiers: { "2k": 4194304, odd: 1 }, multiple_of: 64 }, "1:1(2K)")).to.equal("2048x2048");
  });

  it("hands on a text that is no size, where the model's schema let it through", async () => {
    expect(await map({ otherwise: "keep" }, "large")).to.equal("large");
  });

  for (const [options, size, message] of [
    [
      { max_side: 100 },
      "200x200",
      "size must be WxH with each side of at most 100 on this channel; 200x200 is not: width 200 is more than 100",
    ],
    [
      { table: { "1:1": "8x8" }, max_side: 100 },
      "200x200",
      "size must be one of 1:1, or WxH with each side of at most 100 on this channel; 200x200 is not: width 200 is more than 100",
    ],
    [{}, "2K", "size must be WxH on this channel; 2K is not"],
    [{ otherwise: "nearest", multiple_of: 8 }, "2K", "size must be WxH with both sides multiples of 8 on this channel; 2K is not"],
    [{ sizes: ["8x8"], otherwise: "nearest", min_side: 9 }, "9x9", "size must be one of 8x8 on this channel; 9x9 is not"],
  ] as const) {
    it(`says what could be had: ${message}`, async () =>
      expect(await failureOf(map(options, size))).to.include({ message, code: "invalid_value", param: "size" }));
  }
});

describe("compose", () => {
  const ctx = { request: {}, result: emptyResult() } as unknown as PluginContext;

  it("goes in in the order of the list and out the other way round", async () => {
    const order: string[] = [];
    const step = (name: string) => async (_ctx: PluginContext, next: () => Promise<void>) => {
      order.push(`${name} in`);
      await next();
      order.push(`${name} out`);
    };
    await compose([step("a"), step("b")], () => Promise.resolve(void order.push("core")))(ctx);
    expect(order).to.deep.equal(["a in", "b in", "core", "b out", "a out"]);
  });

  it("never calls the provider twice through next", async () => {
    let calls = 0;
    const twice = async (_ctx: PluginContext, next: () => Promise<void>) => {
      await next();
      await next();
    };
    const error = await failureOf(compose([twice], () => Promise.resolve(void (calls += 1)))(ctx));
    expect([error.message, calls]).to.deep.equal(["next() called twice", 1]);
  });
});
