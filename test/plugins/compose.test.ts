import { expect } from "chai";
import { ProviderFailure } from "../../src/errors.ts";
import type { Picture } from "../../src/picture/picture.ts";
import { compose, emptyResult, type Core, type Events, type Shown } from "../../src/plugin/compose.ts";
import type { EachPicture, Middleware, PluginContext } from "../../src/plugin/context.ts";

const picture = (url: string): Picture => ({ data: { kind: "url", url } });
const nameOf = ({ data }: Picture) => (data.kind === "url" ? data.url : "");
const failure = new ProviderFailure("bad_response", "gone");

/** A step that adds its name to each picture's. */
const adds =
  (name: string): Middleware =>
  (_ctx, next) =>
    next((given, partial) => picture(`${nameOf(given)} ${partial ? "~" : ""}${name}`));

/** What is shown while the pipeline runs, and what is in its result at the end. */
async function run(plugins: Middleware[], core: Core, show: EachPicture = (shown) => shown) {
  const shown: (string | number | undefined)[][] = [];
  let accepted = 0;
  const events: Events = {
    accepted: () => void (accepted += 1),
    show: async (one: Shown) => {
      await show(one.picture, one.partial !== undefined);
      shown.push([nameOf(one.picture), one.partial]);
    },
  };
  const ctx = { request: { n: 1 }, result: emptyResult() } as unknown as PluginContext;
  await compose(plugins, core)(ctx, events);
  return { shown, accepted, result: ctx.result, pictures: ctx.result.pictures.map(nameOf) };
}

const streams: Core = async (ctx, events) => {
  events?.accepted();
  await events?.show?.({ picture: picture("sketch"), partial: 0, facts: {} });
  ctx.result.pictures = [picture("whole")];
};

/** Two calls for one request. */
const two: Middleware = async (ctx, _next, branch) => {
  const results = await Promise.all([1, 2].map((seed) => branch({ seed })));
  ctx.result.pictures = results.flatMap(({ pictures }) => pictures);
  ctx.result.errors = results.flatMap(({ errors }) => errors);
};

const draws: Core = (ctx) => {
  const { seed } = ctx.request;
  ctx.result.pictures = [picture(`${seed}a`), picture(`${seed}b`)];
  return Promise.resolve();
};

describe("compose: the pictures of a stream", () => {
  it("pass the steps on their way out, the innermost first", async () => {
    const { shown, pictures } = await run([adds("outer"), adds("inner")], streams);
    expect(shown).to.deep.equal([["sketch ~inner ~outer", 0]]);
    expect(pictures).to.deep.equal(["whole inner outer"]);
  });

  it("are not shown past a step that wants the whole result", async () => {
    const whole: Middleware = async (ctx, next) => {
      await next();
      ctx.result.pictures = ctx.result.pictures.map((one) => picture(`${nameOf(one)} stamped`));
    };
    const { shown, pictures, accepted } = await run([adds("outer"), whole, adds("inner")], streams);
    expect({ shown, pictures, accepted }).to.deep.equal({ shown: [], pictures: ["whole inner stamped outer"], accepted: 1 });
    expect((await run([whole, two], draws)).pictures).to.deep.equal(["1a stamped", "1b stamped", "2a stamped", "2b stamped"]);
  });

  it("are shown as each of several calls ends", async () => {
    const { shown, pictures } = await run([adds("outer"), two, adds("inner")], draws);
    expect(shown.map(([name]) => name).sort()).to.deep.equal(["1a inner outer", "1b inner outer", "2a inner outer", "2b inner outer"]);
    expect(pictures).to.deep.equal([]);
  });

  it("are told of where they fail beside others, and fail their call where none is left", async () => {
    const failing = (names: string[]) => (given: Picture) => {
      if (names.includes(nameOf(given))) throw failure;
      return given;
    };
    const { shown, result } = await run([two], draws, failing(["1a"]));
    expect(shown.map(([name]) => name).sort()).to.deep.equal(["1b", "2a", "2b"]);
    expect(result.errors).to.deep.equal([{ message: "gone", code: "bad_upstream_response" }]);
    const thrown: unknown = await run([two], draws, failing(["1a", "1b"])).catch((error: unknown) => error);
    expect(thrown).to.equal(failure);
  });
});
