import { expect } from "chai";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { checked, grammarOf } from "../../src/channels/judge.ts";
import { readFiles } from "../../src/channels/files.ts";
import { loadWhatIsRight, type LoadOptions, type PartlyLoaded } from "../../src/channels/load.ts";
import { createProblems, type Located } from "../../src/channels/problems.ts";
import { createProof, provenIn, shipped } from "../../src/channels/proven.ts";
import { withSteps } from "../../src/channels/steps.ts";
import { textsIn, textsOf } from "../../src/channels/texts.ts";
import { testEnvironment } from "../../src/testing/run.ts";
import { prove } from "../../tools/judged.ts";
import { plugins } from "../helpers/channels.ts";

const files = readdirSync("channels", { recursive: true, encoding: "utf8" }).filter((name) => /\.(ya?ml|json)$/.test(name));
const texts = new Map(files.map((name) => [name, readFileSync(join("channels", name))]));
const env = await testEnvironment("channels", "http://127.0.0.1:1");

type Changes = Record<string, (text: string) => string>;

/** Load the channels that ship, with other texts in the place of some of them. */
function load(changes: Changes, options: Partial<LoadOptions> = {}) {
  const changed = Object.entries(changes).map(([name, change]) => [name, Buffer.from(change(String(texts.get(name))))] as const);
  return loadWhatIsRight({
    ...{ folder: textsOf(new Map([...texts, ...changed]), (name) => `channels/${name}`), plugins, env, proven: shipped() },
    ...options,
  });
}

const nothing = { files: {}, channels: {}, doors: {} };

/** All that a load gives but what is compiled, and what that is made of. */
function shownOf({ channels, routes, problems, broken, tests }: PartlyLoaded) {
  return JSON.stringify({
    channels: channels.map((channel) => ({ ...channel, modelsOff: [...channel.modelsOff], verify: channel.verify !== undefined })),
    routes: routes.map((route) => ({
      ...route,
      channel: route.channel.name,
      operations: [...route.operations],
      takes: [...route.operations].map((name) => route.schema.properties.filter((field) => route.takes(name, field))),
    })),
    problems,
    broken,
    lines: tests.map((one) => one.problemAt(["base_url"], "here").line),
    tests: tests.map((one) => one.render({ base_url: "http://127.0.0.1:1", env })),
  });
}

describe("proven channels", () => {
  it("are all that ship, as the build has written them down", async () => {
    const { stamp, ...written } = shipped() as ReturnType<typeof shipped> & { stamp: string };
    expect(stamp).to.be.a("string");
    expect(Object.keys(written.channels)).to.have.lengthOf(readdirSync("channels").filter((name) => name.endsWith(".yaml")).length);
    expect(JSON.parse(JSON.stringify(await prove("channels")))).to.deep.equal(written);
  });

  it("have the values of their files, and those that were taken away", async () => {
    const { channels } = await readFiles(textsIn("channels"), createProblems());
    const proof = createProof(shipped(), textsIn("channels"));
    for (const { name, located } of channels) {
      const { value } = checked(withSteps(located as Located, createProblems()), grammarOf(plugins), createProblems()).located!;
      expect(proof.channel(name)?.located.value, name).to.deep.equal(value);
    }
  });

  for (const [what, options] of Object.entries({ off: { env: {}, only: ["comfyui", "demo", "recraft"] }, on: { env } }))
    it(`load as if they were judged where they are ${what}`, async () => {
      expect(shownOf(await load({}, options))).to.equal(shownOf(await load({}, { ...options, proven: nothing })));
    });

  const append = (line: string) => (text: string) => `${text}\n${line}\n`;
  const changes: Record<string, [channel: string, changes: Changes]> = {
    "its own file": ["reve", { "reve.yaml": append("surprise: 1") }],
    "a preset": ["relay", { "presets/openai-images.yaml": append("surprise: 1") }],
    "the schema of a model": ["demo", { "models/demo.json": (text) => text.replace("{", '{ "maxLenght": 1,') }],
    "the schema of all": ["demo", { "models/common.json": (text) => text.replace("{", '{ "maxLenght": 1,') }],
    "a document that it sends": ["comfyui", { "workflows/comfyui-text-to-image.json": () => "{" }],
    "YAML itself": ["reve", { "reve.yaml": append("  : [") }],
  };
  for (const [what, [channel, change]] of Object.entries(changes))
    it(`are judged anew where ${what} has changed`, async () => {
      const [proven, judged] = [await load(change, { only: [channel] }), await load(change, { only: [channel], proven: nothing })];
      expect(proven.problems).to.not.be.empty;
      expect(proven.problems).to.deep.equal(judged.problems);
      expect(proven.broken).to.deep.equal([channel]);
    });

  it("are judged anew where the environment makes them wrong", async () => {
    const wrong = { env: { ...env, REVE_API_KEY: '"in quotes"', DEMO_BASE_URL: "demo" }, only: ["demo", "reve"] };
    const { problems, broken } = await load({}, wrong);
    expect(problems.map(({ file }) => file)).to.deep.equal(["channels/demo.yaml", "channels/reve.yaml"]);
    expect(problems).to.deep.equal((await load({}, { ...wrong, proven: nothing })).problems);
    expect(broken).to.deep.equal(["demo", "reve"]);
  });

  it("are none where the build has written nothing", () => {
    expect(provenIn("channels/no-such.json")).to.deep.equal(nothing);
  });

  it("are none of a folder in which something is wrong", async () => expect(await prove("no-such-folder")).to.deep.equal(nothing));
});
