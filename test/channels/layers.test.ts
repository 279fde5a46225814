import { expect } from "chai";
import { join } from "node:path";
import { layered, textsIn, textsOf, type Texts } from "../../src/channels/texts.ts";
import { loadWhatIsRight } from "../../src/channels/load.ts";
import { shipped } from "../../src/channels/proven.ts";
import { loadPlugins, shippedPlugins } from "../../src/plugin/load.ts";
import { channelTexts, shippedChannels } from "../../src/process/environment.ts";
import { runChannelTests } from "../../src/testing/run.ts";

const textsWith = (files: Record<string, string>, folder = "own") =>
  textsOf(new Map(Object.entries(files).map(([name, text]) => [name, Buffer.from(text)])), (name) => join(folder, name));

const schema = JSON.stringify({ type: "object", properties: { prompt: { type: "string" }, model: { type: "string" } } });
const channelAt = (host: string, more = "") => `
base_url: https://${host}
models: { m: {} }
generate: { request: { post: /draw, json: { prompt: "\${request.prompt}" } }, result: { images: "\${body.images}", url: "\${image.url}" } }
${more}`;
const ownTest = (host: string) => `
tests:
  - name: of ${host}
    request: { model: m, prompt: a cat }
    exchange:
      - expect: { post: /draw }
        reply: { json: { images: [] } }
    answer: { status: 502 }
`;

describe("channels of several folders", () => {
  let plugins: Awaited<ReturnType<typeof loadPlugins>>;
  before(async () => (plugins = await loadPlugins([shippedPlugins])));
  const load = (folder: Texts, only?: string[]) => loadWhatIsRight({ folder, plugins, env: {}, only });
  const below = textsWith({ "a.yaml": channelAt("a.example"), "b.yaml": channelAt("b.example"), "models/m.json": schema }, "below");

  it("are those of the uppermost folder that has their name, whatever its ending, with the presets and models of all", async () => {
    const above = textsWith({ "a.yml": channelAt("other.example") }, "above");
    const { channels, problems } = await load(layered([above, below]));
    expect(problems).to.deep.equal([]);
    expect(channels.map(({ name, baseUrl }) => [name, baseUrl])).to.deep.equal([
      ["a", "https://other.example"],
      ["b", "https://b.example"],
    ]);
  });

  it("are told of with the paths of their own files", async () => {
    const above = textsWith({ "a.yaml": channelAt("a.example", "colour: red"), "models/m.json": "{" }, "above");
    const { problems, broken } = await load(layered([above, textsWith({ "b.yaml": channelAt("b.example", "x: 1") }, "below")]));
    expect(problems.map(({ file }) => file)).to.deep.equal(["above/a.yaml", "above/models/m.json", "below/b.yaml"]);
    expect(broken).to.deep.equal(["a", "b"]);
  });

  it("have tests beside them; those of a file whose place they took say nothing of them", async () => {
    const files = { "a.yaml": channelAt("a.example"), "tests/a.yaml": ownTest("below"), "models/m.json": schema };
    const run = async (texts: Texts) => (await runChannelTests(texts, plugins)).map(({ name, failures }) => [name, failures]);
    expect(await run(textsWith(files, "below"))).to.deep.equal([["of below", []]]);
    expect(await run(layered([textsWith({ "a.yaml": channelAt("x.example") }, "above"), textsWith(files, "below")]))).to.deep.equal([]);
  });

  it("need every folder that is named, and not one that is optional", async () => {
    const gone = { path: "/nowhere/at/all", optional: false };
    const shipped = { path: shippedChannels, optional: false };
    const missing = await load(channelTexts({ folders: [gone, shipped], given: undefined }), ["demo"]);
    expect(missing.problems.map(({ file, message }) => [file, message.slice(0, 51)])).to.deep.equal([
      ["/nowhere/at/all", "the folder of channels cannot be read: ENOENT: no s"],
    ]);
    const there = await load(channelTexts({ folders: [{ ...gone, optional: true }, shipped], given: undefined }), ["openai"]);
    expect(there.problems).to.deep.equal([]);
    expect(there.channels.map(({ name }) => name)).to.deep.equal(["openai"]);
  });

  it("can be read at once, from whichever folder has the file", async () => {
    const both = layered([textsIn("test"), below]);
    expect(both.readNow("models/m.json").toString()).to.equal(schema);
    expect((await both.read("models/m.json")).toString()).to.equal(schema);
    expect(() => both.readNow("none.json")).to.throw("ENOENT");
    expect(() => layered([textsIn(".")]).readNow("test")).to.throw("EISDIR");
    expect(
      await layered([textsIn(".")])
        .list("src/main.ts")
        .catch((error: unknown) => (error as Error).message),
    ).to.include("ENOTDIR");
  });
});

describe("channels of the environment", () => {
  let plugins: Awaited<ReturnType<typeof loadPlugins>>;
  before(async () => (plugins = await loadPlugins([shippedPlugins])));
  const folders = [{ path: shippedChannels, optional: false }];
  const load = (given: string, only = ["acme", "demo"]) =>
    loadWhatIsRight({ folder: channelTexts({ folders, given }), plugins, env: { ACME_API_KEY: "k" }, only, proven: shipped() });
  const acme = {
    extends: "openai-images",
    base_url: "https://acme.example",
    keys: ["${env.ACME_API_KEY}"],
    models: { acme: { schema: "demo" } },
  };

  it("are a map in JSON or YAML, and take the place of files", async () => {
    for (const given of [
      JSON.stringify({ acme, demo: acme }),
      "acme:\n  base_url: https://acme.example\n  models: { acme: { schema: demo } }\n  extends: openai-images\n",
    ]) {
      const { channels, problems } = await load(given);
      expect(problems).to.deep.equal([]);
      expect(channels.map(({ name, baseUrl }) => [name, baseUrl])[0]).to.deep.equal(["acme", "https://acme.example"]);
    }
    const { channels } = await load(JSON.stringify({ demo: acme }));
    expect(channels.map(({ baseUrl }) => baseUrl)).to.deep.equal(["https://acme.example"]);
  });

  it("are told of with the variable's name, line and column", async () => {
    const told = async (given: string) =>
      (await load(given)).problems.map(
        ({ file, line, column, message }) => `${file}:${line}:${column}: ${message.replace(/(?<="colour").*/, "")}`,
      );
    expect(
      await told('{ "acme": { "base_url": "https://acme.example", "models": { "a": { "schema": "demoo" } },\n "colour": 1 } }'),
    ).to.deep.equal([
      "PICTOR_CHANNELS_JSON:1:79: models: there is no schema models/demoo.json (did you mean demo?)",
      'PICTOR_CHANNELS_JSON:2:2: channel: unknown key "colour"',
    ]);
    expect(await told("acme: 3\nx: {}")).to.deep.equal([
      "PICTOR_CHANNELS_JSON:1:7: the channel acme is not a map; write what its file would hold",
    ]);
    expect(await told("acme: [")).to.have.length(1);
    expect((await told("acme"))[0]).to.match(/^PICTOR_CHANNELS_JSON:1:1: the file is not a map/);
    const named = await loadWhatIsRight({ folder: channelTexts({ folders, given: '{ "a/b": {} }' }), plugins, env: {} });
    expect(named.problems.map(({ message }) => message)).to.deep.equal(["a/b is no name for a channel; use letters, digits and dashes"]);
    expect(named.broken).to.deep.equal(["a/b"]);
  });

  it("have tests in them", async () => {
    const given = JSON.stringify({
      acme: {
        ...acme,
        tests: [
          {
            name: "t",
            request: { model: "acme", prompt: "a cat" },
            exchange: [{ expect: { post: "/images/generations" }, reply: { json: { data: [{ url: "${base_url}/1.png" }] } } }],
            answer: { status: 200 },
          },
        ],
      },
    });
    const outcomes = await runChannelTests(channelTexts({ folders, given }), plugins, ["acme"]);
    expect(outcomes).to.deep.equal([{ channel: "acme", file: "PICTOR_CHANNELS_JSON", line: 1, name: "t", failures: [] }]);
  });
});
