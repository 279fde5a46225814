import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { readGatewayFile } from "../../src/process/gateway-file.ts";
import { ConfigError } from "../../src/errors.ts";
import { createClientKeys } from "../../src/http/client-keys.ts";

const hash = createHash("sha256").update("sk-hashed").digest("hex");

describe("gateway.yaml", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "pictor-gateway-"));
  });
  after(() => rm(folder, { recursive: true }));

  async function read(text: string, env: Record<string, string> = {}, models?: string[]) {
    const file = join(folder, "gateway.yaml");
    await writeFile(file, text);
    return readGatewayFile(file, env, { models });
  }

  it("need not be there, unless it is named", async () => {
    const routing = { sharing: undefined, timeout: undefined, answerWithin: 280_000, repeatWithin: 15_000, defaultModel: undefined };
    const nothing = { clients: [], off: [], fallback: {}, routing, server: {}, lives: { rows: 720 * 3_600_000, answers: 24 * 3_600_000 } };
    const file = join(folder, "other.yaml");
    expect(await readGatewayFile(file, {})).to.deep.equal(nothing);
    expect(await read("# nothing yet\n")).to.deep.equal(nothing);
    const told = await readGatewayFile(file, {}, { named: true }).catch((error: unknown) => (error as Error).message);
    expect(told).to.equal(`PICTOR_CONFIG is ${file}; there is no such file, or it cannot be read`);
  });

  it("has an example that is in order", async () => {
    const [, example = ""] = /```yaml\n([^]*?)```/.exec(await readFile("docs/gateway.md", "utf8"))!;
    const { clients, fallback, routing, server } = await read(example, { MOBILE_APP_KEY: "sk-mobile" }, [
      "gpt-image-2",
      "gpt-image-2.6-flare",
      "flux-3-image",
    ]);
    expect(clients.map(({ client }) => client.name)).to.deep.equal(["mobile-app", "studio"]);
    expect(fallback).to.deep.equal({ "gpt-image-2.6-flare": ["flux-3-image"] });
    expect(routing).to.deep.equal({
      sharing: "least_in_flight",
      timeout: 720_000,
      answerWithin: 280_000,
      repeatWithin: 15_000,
      defaultModel: "gpt-image-2.6-flare",
    });
    expect(server).to.deep.equal({
      headersTimeout: 10_000,
      bodyTimeout: undefined,
      bodyIdle: undefined,
      answerIdle: undefined,
      connections: 10_000,
    });
  });

  it("knows its clients by the hashes of their keys, wherever these are", async () => {
    await writeFile(join(folder, "secret"), "sk-in-a-file\n");
    const { clients, off } = await read(
      `keys:
  - { name: a, key: "\${env.A_KEY}", images_per_minute: 3, concurrency: 2, may_pin: true }
  - { name: b, key: '\${file("${join(folder, "secret")}")}' }
  - { name: c, key: "sha256:${hash.toUpperCase()}" }
  - { name: d, key: "\${env.D_KEY}" }
`,
      { A_KEY: "sk-a" },
    );
    const keys = createClientKeys(["sk-plain"], clients);
    expect(["sk-a", "sk-in-a-file", "sk-hashed", "sk-plain", "sk-none", hash].map((key) => keys.find(key)?.name)).to.deep.equal([
      ...["a", "b", "c", "key-1"],
      undefined,
      undefined,
    ]);
    expect(keys.find("sk-a")).to.deep.include({ imagesPerMinute: 3, concurrency: 2, mayPin: true, expires: undefined });
    expect(keys.find("sk-hashed")).to.deep.include({ imagesPerMinute: undefined, mayPin: false });
    expect(keys.find("sk-plain")).to.include({ mayPin: true });
    expect(off).to.deep.equal([{ name: "d", reason: "D_KEY is not set" }]);
    expect(JSON.stringify(clients)).not.to.include("sk-");
  });

  it("says which models a key may use", async () => {
    const { clients } = await read(`keys: [{ name: a, key: "sha256:${hash}", models: [gpt-image-*, "acme/*-v1.5", dall-e-3] }]\n`);
    const { allows } = clients[0]!.client;
    const models = ["gpt-image-", "gpt-image-2", "acme/a/b-v1.5", "dall-e-3", "acme/x-v1x5", "my-gpt-image-2", "dall-e-3b", "Dall-e-3", ""];
    expect(models.filter(allows)).to.deep.equal(models.slice(0, 4));
  });

  for (const [expires, ends] of [
    ["2027-01-31", "2027-02-01T00:00:00.000Z"],
    ["2027-01-31T12:00:00Z", "2027-01-31T12:00:00.000Z"],
    ["2027-01-31T12:00+02:00", "2027-01-31T10:00:00.000Z"],
  ] as const)
    it(`lets a key end on ${expires}`, async () => {
      const { clients } = await read(`keys: [{ name: a, key: "sha256:${hash}", expires: "${expires}" }]\n`);
      expect(new Date(clients[0]!.client.expires!).toISOString()).to.equal(ends);
    });

  it("sets what a connection may take", async () => {
    const { server } = await read(
      "server: { headers_timeout: 5s, body_timeout: 1m, body_idle: 500ms, answer_idle: 20s, connections: 7 }\n",
    );
    expect(server).to.deep.equal({ headersTimeout: 5000, bodyTimeout: 60_000, bodyIdle: 500, answerIdle: 20_000, connections: 7 });
  });

  it("names the model of requests that name none, which a channel must have", async () => {
    const { routing } = await read("default_model: gpt-image-2\n", {}, ["gpt-image-1", "gpt-image-2"]);
    expect(routing.defaultModel).to.equal("gpt-image-2");
    const told = await read("default_model: gpt-image-3\n", {}, ["gpt-image-2"]).catch((error: unknown) => (error as Error).message);
    expect(told).to.match(/:1:16: default_model: no channel has the model gpt-image-3 \(did you mean gpt-image-2\?\)/);
  });

  const wrong: [what: string, text: string, problems: RegExp[]][] = [
    ["an unknown key", "kes: []\n", [/:1:1: gateway: unknown key "kes" \(did you mean keys\?\)$/]],
    ["what is no map", "- a\n", [/:1:1: the file is not a map/]],
    ["a client without its key", "keys: [{ name: a }]\n", [/keys: key is missing$/]],
    ["a key written out", "keys: [{ name: a, key: sk-written-out }]\n", [/:1:24: keys\.key: a key written out; name where it is/]],
    ["a number for a key", "keys: [{ name: a, key: 12345678 }]\n", [/keys\.key: a key written out/]],
    ["a hash that is too short", "keys: [{ name: a, key: sha256:abc }]\n", [/keys\.key: a key written out/]],
    ["an unknown name", 'keys: [{ name: a, key: "${evn.X}" }]\n', [/unknown name evn/]],
    ["a name that is none", `keys: [{ name: "a b", key: "sha256:${hash}" }]\n`, [/keys\.name: "a b" is not a name of letters/]],
    [
      "the name that a key of the environment has",
      `keys: [{ name: key-1, key: "sha256:${hash}" }]\n`,
      [/:1:16: keys\.name: key-1 is the name of a key of PICTOR_API_KEYS; choose another$/],
    ],
    [
      "a name and a key twice",
      `keys:\n  - { name: a, key: "sha256:${hash}" }\n  - { name: a, key: "sha256:${hash}" }\n`,
      [/:3:13: keys\.name: a stands here a second time/, /:3:22: keys\.key: it is the key of a too/],
    ],
    [
      "a day that there is not",
      `keys: [{ name: a, key: "sha256:${hash}", expires: 2027-02-30 }]\n`,
      [/:1:\d+: keys\.expires: there is no such day as 2027-02-30$/],
    ],
    [
      "a day spelled otherwise",
      `keys: [{ name: a, key: "sha256:${hash}", expires: 1.2.2027 }]\n`,
      [/keys\.expires: "1\.2\.2027" is not a date/],
    ],
    ["no models", `keys: [{ name: a, key: "sha256:${hash}", models: [] }]\n`, [/keys\.models: must not be empty/]],
    ["a limit of nothing", `keys: [{ name: a, key: "sha256:${hash}", concurrency: 0 }]\n`, [/keys\.concurrency: must be >= 1/]],
    ["a time without its unit", "server: { body_idle: 30 }\n", [/server\.body_idle: must be text, not 30/]],
    [
      "models that there are not",
      "fallback:\n  cat-2: [cat-1]\n  cat-1: [dog-2]\n",
      [/:2:3: fallback: no channel has the model cat-2/, /:3:11: fallback: no channel has the model dog-2 \(did you mean dog-1\?\)/],
    ],
  ];
  for (const [what, text, problems] of wrong) {
    it(`refuses ${what} at its place`, async () => {
      const error = await read(text, {}, ["cat-1", "dog-1"]).catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(ConfigError);
      const told = (error as ConfigError).problems.map(({ file, line, column, message }) => `${file}:${line}:${column}: ${message}`);
      expect(told).to.have.length(problems.length);
      for (const [index, problem] of problems.entries()) expect(told[index]).to.match(problem);
      expect((error as Error).message).not.to.match(/sk-written-out|12345678/);
    });
  }
});
