// A load after another makes only what has changed.
import { expect } from "chai";
import { loadWhatIsRight, type LoadOptions, type PartlyLoaded } from "../../src/channels/load.ts";
import { createProblems } from "../../src/channels/problems.ts";
import { shipped } from "../../src/channels/proven.ts";
import { readSource } from "../../src/channels/source.ts";
import { knownIn, textsOf } from "../../src/channels/texts.ts";
import { plugins } from "../helpers/channels.ts";

const schema = { type: "object", properties: { prompt: { type: "string" }, model: { type: "string" } } };
const preset = `
base_url: https://acme.example
keys: ["\${env.ACME_ONE}"]
generate: { request: { post: /draw, json: { prompt: "\${request.prompt}" } }, result: { images: "\${body.images}", url: "\${image.url}" } }
`;
const plain = 'base_url: https://plain.example\nmodels: { p: { schema: m } }\ngenerate: { request: { post: /draw, json: "${request}" }, ';
const result = 'result: { images: "${body.images}", url: "${image.url}" } }\n';
const first: Record<string, string> = {
  "acme.yaml": "extends: acme\nmodels: { m: {} }\n",
  "plain.yaml": plain + result,
  "secret.yaml": `keys: ['\${file("/run/secrets/key")}']\n${plain.replace("p:", "s:")}${result}`,
  "sent.yaml": plain.replace("p:", "d:").replace('"${request}"', "{ $document: workflows/one.json }") + result,
  "named.yaml": `variables: { v: '\${env["ACME_" + "TWO"]}' }\n${plain.replace("p:", "n:")}${result}`,
  "presets/acme.yaml": preset,
  "models/m.json": JSON.stringify(schema),
  "models/common.json": JSON.stringify(schema),
  "workflows/one.json": '{"one":1}',
};
const env = { ACME_ONE: "one", ACME_TWO: "two", OTHER: "other" };

/** Load twice, with changes between the two; gives the second load, and the channels that it took over from the first. */
async function again(changes: Record<string, string | undefined>, options: Partial<LoadOptions> = {}) {
  const load = (files: Record<string, string | undefined>, more: Partial<LoadOptions>) => {
    const texts = Object.entries(files).flatMap(([name, text]) => (text === undefined ? [] : [[name, Buffer.from(text)] as const]));
    return loadWhatIsRight({ ...{ folder: textsOf(new Map(texts)), plugins, env, readSecret: () => "secret", ...more } });
  };
  const before = await load(first, {});
  expect(before.problems).to.deep.equal([]);
  const after = await load({ ...first, ...changes }, { before: before.kept, ...options });
  return { after, back: await load(first, { before: after.kept }), taken: takenOver(before, after) };
}

function takenOver(before: PartlyLoaded, after: PartlyLoaded): string[] {
  const known = new Set(before.tests);
  return after.tests.filter((tests) => known.has(tests)).map(({ channel }) => channel.name);
}

const all = ["acme", "named", "plain", "secret", "sent"];
const without = (...names: string[]) => all.filter((name) => !names.includes(name));

describe("a load after another", () => {
  it("takes over every channel of which nothing has changed", async () => {
    const { after, taken } = await again({});
    expect(taken).to.deep.equal(all);
    expect(after.routes.map(({ model }) => model.id)).to.deep.equal(["m", "n", "p", "s", "d"]);
  });

  const changes: Record<string, [Record<string, string | undefined>, string[]]> = {
    "its own file": [{ "plain.yaml": `${plain}${result}weight: 2\n` }, without("plain")],
    "a file that is gone": [{ "plain.yaml": undefined }, without("plain")],
    "another file of its name": [{ "plain.yaml": undefined, "plain.yml": plain + result }, without("plain")],
    "its preset": [{ "presets/acme.yaml": `${preset}weight: 2\n` }, without("acme")],
    "a schema of its models": [{ "models/m.json": JSON.stringify({ ...schema, title: "M" }) }, []],
    "the common schema": [{ "models/common.json": undefined }, []],
    "its document": [{ "workflows/one.json": '{"one":2}' }, without("sent")],
  };
  for (const [what, [files, left]] of Object.entries(changes))
    it(`makes a channel again for ${what}`, async () => {
      const { after, taken } = await again(files);
      expect(after.problems).to.deep.equal([]);
      expect(taken).to.deep.equal(left);
    });

  it("makes a channel again for a variable that it names, one that begins with its name, and any where it works out names", async () => {
    expect((await again({}, { env: { ...env, ACME_ONE: "1" } })).taken).to.deep.equal(without("acme", "named"));
    expect((await again({}, { env: { ...env, PLAIN_BASE_URL: "https://other.example" } })).taken).to.deep.equal(without("named", "plain"));
    expect((await again({}, { env: { ...env, OTHER: undefined } })).taken).to.deep.equal(without("named"));
  });

  it("makes a channel again for its secret", async () => {
    const { after, taken } = await again({}, { readSecret: () => "another" });
    expect(taken).to.deep.equal(without("secret"));
    expect(after.channels.find(({ name }) => name === "secret")?.keys).to.deep.equal(["another"]);
  });

  it("reports what is wrong, each time", async () => {
    const wrong = { "plain.yaml": `${plain}${result}colour: red\n`, "presets/other.yaml": "{" };
    const { after, back, taken } = await again(wrong);
    expect(after.broken).to.deep.equal(["plain"]);
    expect(taken).to.deep.equal(without("plain"));
    expect([after.problems.map(({ file }) => file), back.problems]).to.deep.equal([["plain.yaml", "presets/other.yaml"], []]);
    const gone = await again({ "workflows/one.json": undefined });
    expect(gone.after.problems[0]?.message).to.match(/there is no file workflows\/one\.json/);
  });

  it("reports a model that gets another schema than a channel has that has not changed", async () => {
    const models = { "models/x.json": JSON.stringify(schema), "zz.yaml": plain.replace("schema: m", "schema: x") + result };
    const { after } = await again(models);
    expect(after.problems.map(({ message }) => message)).to.match(/p has schema x here and m in channel plain/);
    const above = { "models/x.json": models["models/x.json"], "aa.yaml": models["zz.yaml"] };
    expect((await again(above)).after.broken).to.deep.equal(["plain"]);
  });

  it("has the buffers of files that are as they were, so that they are parsed once", async () => {
    const { after, back } = await again({ "plain.yaml": `${plain}${result}weight: 2\n` });
    const isSame = (name: string) => after.texts.get(name) === back.texts.get(name);
    expect(["acme.yaml", "presets/acme.yaml", "models/m.json", "plain.yaml"].map(isSame)).to.deep.equal([true, true, true, false]);
    const problems = createProblems();
    const read = () => readSource("presets/acme.yaml", after.texts.get("presets/acme.yaml") as Buffer, problems);
    expect(read()).to.be.an("object").that.equals(read());
  });

  it("of a few channels leaves the others for the next", async () => {
    const { after, back } = await again({}, { only: ["plain"] });
    expect(after.channels.map(({ name }) => name)).to.deep.equal(["plain"]);
    expect(takenOver(after, back)).to.deep.equal(["plain"]);
    expect(after.kept.made.size).to.equal(all.length);
  });

  it("takes over channels that ship, on or off", async () => {
    const load = (before?: LoadOptions["before"]) =>
      loadWhatIsRight({ folder: "channels", plugins, env: { OPENAI_API_KEY: "key" }, proven: shipped(), before });
    const before = await load();
    const after = await load(before.kept);
    expect(takenOver(before, after)).to.have.lengthOf(before.channels.length);
    expect(after.routes).to.deep.equal(before.routes);
  });
});

describe("texts of which some are known", () => {
  it("are those that are known, and else those of the folder", async () => {
    const texts = knownIn(
      textsOf(
        new Map([
          ["a", Buffer.from("old")],
          ["b", Buffer.from("b")],
        ]),
        (name) => `in/${name}`,
      ),
      new Map([["a", Buffer.from("new")]]),
    );
    const read = [...(await Promise.all(["a", "b"].map((name) => texts.read(name)))), ...["a", "b"].map((name) => texts.readNow(name))];
    expect(read.map(String)).to.deep.equal(["new", "b", "new", "b"]);
    expect([await texts.list(), texts.shown("a")]).to.deep.equal([["a", "b"], "in/a"]);
  });
});
