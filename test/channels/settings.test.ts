import { expect } from "chai";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runChannelTests } from "../../src/testing/run.ts";
import { plugins } from "../helpers/channels.ts";
import { channel, load, makeFolder } from "./mistakes.ts";

const key = '["${env.X_API_KEY}"]';
const url = "https://api.example.com";

/** The one channel of these texts, with this environment. */
async function settingsOf(text: string, env: Record<string, string> = {}) {
  const { channels, routes } = await load({ "x.yaml": text }, env);
  return { ...channels[0]!, served: routes.map(({ model }) => model.id) };
}

describe("a channel that is off", () => {
  const off: [name: string, text: string, env: Record<string, string>, reason: string][] = [
    ["its key is not set", channel, {}, "X_API_KEY is not set"],
    ["its key is empty", channel, { X_API_KEY: "" }, "X_API_KEY is not set"],
    ["no key of several is set", channel.replace(key, '["${env.A}", "${env.B}"]'), {}, "A or B or X_API_KEY is not set"],
    [
      "a part of its key is not set",
      channel.replace(key, '[{ id: "${env.A}", secret: "${env.B}" }]'),
      { A: "a" },
      "B or X_API_KEY is not set",
    ],
    ["its key is optional and not set", channel.replace(key, '["${env.?A}"]'), {}, "X_API_KEY is not set"],
    ["its key's file is not there", channel.replace(key, "['${file(\"/nowhere/key\")}']"), {}, "/nowhere/key or X_API_KEY is not set"],
    ["its base URL is not set", channel.replace(url, "${env.ADDRESS}").replace(`keys: ${key}\n`, ""), {}, "ADDRESS is not set"],
    ["a part of its base URL is not set", channel.replace("api.", "${env.REGION}."), { X_API_KEY: "k" }, "REGION is not set"],
    ["its base URL is empty", channel.replace(url, '""'), { X_API_KEY: "k" }, "X_BASE_URL is not set"],
    ["a variable is not set", `${channel}variables: { region: "\${env.REGION}" }\n`, { X_API_KEY: "k" }, "REGION is not set"],
    ["it is switched off", `${channel}enabled: false\n`, { X_API_KEY: "k" }, "switched off in its file"],
  ];
  for (const [name, text, env, reason] of off) {
    it(`says why: ${name}`, async () => {
      const settings = await settingsOf(text, env);
      expect(settings.off).to.equal(reason);
      expect(settings.served).to.deep.equal([]);
    });
  }
});

describe("a model that is off", () => {
  const text = channel.replace("  m:\n", '  m:\n  z: { schema: m, variables: { region: "${env.REGION}" } }\n');
  it("leaves the others of its channel on", async () => {
    const settings = await settingsOf(text, { X_API_KEY: "k" });
    expect([settings.off, settings.served, [...settings.modelsOff]]).to.deep.equal([undefined, ["m"], [["z", "REGION is not set"]]]);
    expect((await settingsOf(text, { X_API_KEY: "k", REGION: "eu" })).served).to.deep.equal(["m", "z"]);
  });

  it("is on where it has a variable of its own that the channel lacks", async () => {
    const own = `${text.replace("${env.REGION}", "eu")}variables: { region: "\${env.REGION}" }\n`;
    expect((await settingsOf(own, { X_API_KEY: "k" })).served).to.deep.equal(["z"]);
  });
});

describe("a channel's settings", () => {
  it("come from the environment", async () => {
    const settings = await settingsOf(channel, { X_API_KEY: "k" });
    expect(settings).to.deep.include({ off: undefined, keys: ["k"], baseUrl: url, auth: "bearer", served: ["m"], description: "" });
  });

  it("take the keys that are set of several, in their order", async () => {
    const text = channel.replace(key, '["${env.A}", "${env.B}", "${env.C}"]');
    expect((await settingsOf(text, { C: "c", A: "a" })).keys).to.deep.equal(["a", "c"]);
  });

  it("take the channel's own variable where no key of the file is set, and only there", async () => {
    const text = channel.replace(key, '["${env.A}"]');
    expect((await settingsOf(text, { X_API_KEY: "own" })).keys).to.deep.equal(["own"]);
    expect((await settingsOf(text, { X_API_KEY: "own", A: "a" })).keys).to.deep.equal(["a"]);
    const without = channel.replace(`keys: ${key}\n`, "");
    expect(await settingsOf(without)).to.deep.include({ keys: [], off: undefined });
    expect((await settingsOf(without, { X_API_KEY: "own" })).keys).to.deep.equal(["own"]);
  });

  it("take another base URL, whatever the channel's name is made of", async () => {
    const env = { X_2_TEST_BASE_URL: "http://127.0.0.1:1/v1", X_2_TEST_API_KEY: "k" };
    const { channels } = await load({ "x-2.test.yaml": channel }, env);
    expect(channels[0]).to.deep.include({ name: "x-2.test", baseUrl: "http://127.0.0.1:1/v1", keys: ["k"] });
  });

  it("let the key go to the own addresses of models, unless the environment names one for all", async () => {
    const text = channel.replace("  m:\n", "  m:\n  z: { schema: m, base_url: 'https://z.example/v2 ' }\n");
    const here = new URL("https://z.example/pay");
    const own = await load({ "x.yaml": text }, { X_API_KEY: "k" });
    expect(own.channels[0]!.mayCarryKey(here)).to.equal(true);
    expect(own.channels[0]!.trusted(here)).to.equal(true);
    const { channels } = await load({ "x.yaml": text }, { X_API_KEY: "k", X_BASE_URL: "https://relay.example" });
    expect(channels[0]!.mayCarryKey(here)).to.equal(false);
    expect(channels[0]!.mayCarryKey(new URL("https://relay.example/pay"))).to.equal(true);
  });

  it("switch off a model whose own address is not set", async () => {
    const text = channel.replace("  m:\n", "  m:\n  z: { schema: m, base_url: '${env.Z_URL}' }\n");
    expect([...(await settingsOf(text, { X_API_KEY: "k" })).modelsOff]).to.deep.equal([["z", "Z_URL is not set"]]);
    expect((await settingsOf(text, { X_API_KEY: "k", Z_URL: "https://z.example" })).served).to.deep.equal(["m", "z"]);
    expect((await settingsOf(text, { X_API_KEY: "k", X_BASE_URL: "https://relay.example" })).served).to.deep.equal(["m", "z"]);
  });

  it("put keys together from parts and from text", async () => {
    const text = channel.replace(key, '[{ id: "${env.A}", secret: "${env.B}" }, "Key ${env.A}", "${int(env.B)}"]');
    expect((await settingsOf(text, { A: "a", B: "12" })).keys).to.deep.equal([{ id: "a", secret: "12" }, "Key a", "12"]);
  });

  it("read secrets from files, without the line's end", async () => {
    const folder = await makeFolder({});
    try {
      const file = join(folder, "secret");
      await writeFile(file, "from-a-file\n");
      expect((await settingsOf(channel.replace(key, `['\${file("${file}")}']`))).keys).to.deep.equal(["from-a-file"]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("trust the own origin and what is named", async () => {
    const settings = await settingsOf(`${channel}trusted_hosts: [pictures.lan, "*.cdn.lan"]\n`, { X_API_KEY: "k" });
    const urls = [`${url}/a`, "http://api.example.com/a", "http://pictures.lan/a", "https://a.cdn.lan", "https://cdn.lan", "https://b.lan"];
    expect(urls.filter((text) => settings.trusted(new URL(text)))).to.deep.equal([urls[0], urls[2], urls[3]]);
  });

  it("trust a named host on its standard ports, or on the port that stands beside it", async () => {
    const settings = await settingsOf(`${channel}trusted_hosts: [a.lan, "B.lan:9000", "*.c.lan:*", "[fd00::1]:81"]\n`, { X_API_KEY: "k" });
    const yes = ["http://a.lan", "https://a.lan", "http://b.lan:9000", "https://x.c.lan:1", "http://x.c.lan", "http://[fd00::1]:81"];
    const no = ["http://a.lan:81", "https://a.lan:80", "http://b.lan", "http://c.lan:1", "http://[fd00::1]"];
    expect([...yes, ...no].filter((text) => settings.trusted(new URL(text)))).to.deep.equal(yes);
  });

  it("cannot be changed once they are loaded", async () => {
    const { channels, routes } = await load({ "x.yaml": channel }, { X_API_KEY: "k" });
    expect(channels[0]).to.be.frozen;
    expect(routes[0]).to.be.frozen;
  });
});

describe("what lies over what", () => {
  const preset = `keys: ["\${env.KEY}"]
variables: { a: 1, b: 2 }
priority: 3
limits: { timeout: 5s }
models:
  gone: { schema: m }
  kept: { schema: m }
generate:
  success: body.ok
  request:
    post: /draw
    headers: { x-a: "\${variables.a}", x-b: "\${variables.b}" }
    json: { prompt: "\${request.prompt}", n: "\${request.n}", list: [1, 2], literal: "\${null}" }
  result: { images: "\${body.data}", url: "\${image.url}", revised_prompt: "\${image.text}" }
`;
  const test = (model: string, headers: string, json: string, reply = '{ ok: true, data: [{ url: "${base_url}/1.png", text: t }] }') => `
  - name: ${model}
    request: { model: ${model}, prompt: p }
    exchange: [{ expect: { post: /draw, headers: ${headers}, json: ${json} }, reply: { json: ${reply} } }]
    answer: { status: 200 }`;

  it("merges maps, replaces lists, deletes what is null, for a channel and for each of its models", async () => {
    const text = `extends: preset
base_url: https://api.example.com
variables: { b: "\${env.B}" }
models:
  gone:
  own:
    schema: m
    variables: { b: 4 }
    limits: null
    generate:
      success: null
      request: { headers: { x-c: c }, json: { n: null, list: [3] } }
      result: { revised_prompt: null }
  m:
tests:${test("kept", '{ authorization: "Bearer env:KEY", x-a: "1", x-b: "env:B" }', "{ prompt: p, n: 1, list: [1, 2], literal: null }")}${test(
      "own",
      '{ x-a: "1", x-b: "4", x-c: c }',
      "{ prompt: p, list: [3], literal: null }",
      '{ data: [{ url: "${base_url}/1.png" }] }',
    )}${test("m", '{ x-b: "env:B" }', "{ prompt: p, n: 1, list: [1, 2], literal: null }")}
`;
    const files = { "x.yaml": text, "presets/preset.yaml": preset };
    const { routes } = await load(files, { KEY: "k", B: "b" });
    expect(routes.map(({ model, timeout, priority }) => [model.id, model.upstream, timeout, priority])).to.deep.equal([
      ["kept", "kept", 5000, 3],
      ["own", "own", 600_000, 3],
      ["m", "m", 5000, 3],
    ]);
    const folder = await makeFolder(files);
    try {
      const outcomes = await runChannelTests(folder, plugins);
      expect(outcomes.map(({ name, failures }) => [name, failures])).to.deep.equal([
        ["kept", []],
        ["own", []],
        ["m", []],
      ]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("lets a model be off alone, and leaves out what a variable does not hold", async () => {
    const text = channel.replace(
      "  m:\n",
      '  m: { enabled: false }\n  m2: { schema: m, limits: { timeout: 2h } }\nvariables: { a: "${env.?A}" }\n',
    );
    const { channels, routes } = await load({ "x.yaml": text }, { X_API_KEY: "k" });
    expect(channels[0]?.off).to.equal(undefined);
    expect(routes.map(({ model, timeout }) => [model.id, timeout])).to.deep.equal([["m2", 7_200_000]]);
  });

  it("takes a preset's key away, and null for extends", async () => {
    const text = `extends: preset\nkeys: null\nbase_url: https://a.b\n`;
    const { channels } = await load({ "x.yaml": text, "y.yaml": `extends: null\n${channel}`, "presets/preset.yaml": preset });
    expect(channels.map(({ name, off }) => [name, off])).to.deep.equal([
      ["x", undefined],
      ["y", "X_API_KEY or Y_API_KEY is not set"],
    ]);
  });
});
