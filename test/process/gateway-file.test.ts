import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { readGatewayFile } from "../../src/process/gateway-file.ts";
import { ConfigError } from "../../src/errors.ts";
import { eventTypes } from "../../src/ledger/deliveries.ts";
import { createClientKeys } from "../../src/http/client-keys.ts";

const secret = `whsec_${Buffer.alloc(32, 1).toString("base64")}`;
const other = `whsec_${Buffer.alloc(24, 2).toString("base64")}`;
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
    const routing = {
      sharing: undefined,
      timeout: undefined,
      answerWithin: 280_000,
      repeatWithin: 15_000,
      keepAfterHangup: undefined,
      defaultModel: undefined,
    };
    const none = { webhooks: new Map(), webhooksOff: [] };
    const nothing = {
      makesKey: true,
      clients: [],
      off: [],
      fallback: {},
      routing,
      server: {},
      jobsAtOnce: 200,
      lives: { rows: 744 * 3_600_000, answers: 24 * 3_600_000 },
      ...none,
    };
    const file = join(folder, "other.yaml");
    expect(await readGatewayFile(file, {})).to.deep.equal(nothing);
    expect(await read("# nothing yet\n")).to.deep.equal(nothing);
    const told = await readGatewayFile(file, {}, { named: true }).catch((error: unknown) => (error as Error).message);
    expect(told).to.equal(`PICTOR_CONFIG is ${file}; there is no such file, or it cannot be read`);
  });

  it("has an example that is in order", async () => {
    const [, example = ""] = /```yaml\n([^]*?)```/.exec(await readFile("docs/gateway.md", "utf8"))!;
    const { clients, fallback, routing, server, webhooks } = await read(
      example,
      { MOBILE_APP_KEY: "sk-mobile", ORDERS_WEBHOOK_SECRET: secret },
      ["gpt-image-2", "gpt-image-2.6-flare", "flux-3-image"],
    );
    expect(clients.map(({ client }) => client.name)).to.deep.equal(["mobile-app", "studio"]);
    expect([...webhooks.keys()]).to.deep.equal(["orders"]);
    expect(fallback).to.deep.equal({ "gpt-image-2.6-flare": ["flux-3-image"] });
    expect(routing).to.deep.equal({
      sharing: "least_in_flight",
      timeout: 720_000,
      answerWithin: 280_000,
      repeatWithin: 15_000,
      keepAfterHangup: undefined,
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

  it("names a header that has the cost", async () => {
    expect((await read("cost_header: X-Cost\n")).routing.costHeader).to.equal("x-cost");
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

  it("bounds the jobs of a process, and those of a key", async () => {
    const { jobsAtOnce, clients } = await read(`jobs: { at_once: 50 }\nkeys: [{ name: a, key: "sha256:${hash}", jobs: 20 }]\n`);
    expect([jobsAtOnce, clients[0]?.client.jobs]).to.deep.equal([50, 20]);
    const told = await read("jobs: { at_once: 0 }\n").catch((error: unknown) => (error as ConfigError).message);
    expect(told).to.include("jobs.at_once");
  });

  it("says whether requests go on whose client has gone, for all or for a key", async () => {
    const { routing, clients } = await read(
      `routing: { keep_after_hangup: always }\nkeys: [{ name: a, key: "sha256:${hash}", keep_after_hangup: never }]\n`,
    );
    expect([routing.keepAfterHangup, clients[0]?.client.keepAfterHangup]).to.deep.equal(["always", "never"]);
  });

  it("names webhooks, and which of them a key may name", async () => {
    const { webhooks, webhooksOff, clients } = await read(
      `webhooks:
  - { name: orders, url: "https://shop.example/hook?token=1", secret: "\${env.NEW}", previous_secret: "\${env.OLD}" }
  - { name: local, url: "\${env.HOOK_URL}", secret: "\${env.NEW}", previous_secret: "\${env.NONE}", events: [image.job.failed], private_url: true }
  - { name: later, url: "https://shop.example/", secret: "\${env.NONE}" }
  - { name: elsewhere, url: "\${env.NO_URL}", secret: "\${env.NEW}" }
keys:
  - { name: a, key: "sha256:${hash}", may_webhook: [orders] }
  - { name: b, key: "\${env.B_KEY}", may_webhook: any, webhook_secret: "\${env.NEW}", previous_webhook_secret: "\${env.OLD}" }
  - { name: c, key: "\${env.C_KEY}", may_webhook: any, webhook_secret: "\${env.NONE}" }
  - { name: d, key: "\${env.D_KEY}" }
`,
      { NEW: secret, OLD: other, HOOK_URL: "http://127.0.0.1:9/hook", B_KEY: "sk-b", C_KEY: "sk-c", D_KEY: "sk-d" },
    );
    const [first, second] = [Buffer.alloc(32, 1), Buffer.alloc(24, 2)];
    expect([...webhooks]).to.deep.equal([
      ["orders", { url: "https://shop.example/hook?token=1", secrets: [first, second], mayBePrivate: false, events: eventTypes }],
      ["local", { url: "http://127.0.0.1:9/hook", secrets: [first], mayBePrivate: true, events: ["image.job.failed"] }],
    ]);
    expect(webhooksOff).to.deep.equal([
      { name: "later", reason: "NONE is not set" },
      { name: "elsewhere", reason: "NO_URL is not set" },
    ]);
    const may = clients.map(({ client }) => ["orders", "local"].filter((name) => client.mayName?.(name)));
    expect(may).to.deep.equal([["orders"], ["orders", "local"], ["orders", "local"], []]);
    expect(clients.map(({ client }) => client.webhookSecrets)).to.deep.equal([undefined, [first, second], undefined, undefined]);
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
    [
      "secrets of webhooks written out",
      `webhooks: [{ name: a, url: "https://a.example", secret: sk-written-out }]\nkeys: [{ name: a, key: "sha256:${hash}", webhook_secret: sk-written-out }]\n`,
      [/:1:\d+: webhooks\.secret: a secret written out; name where it is/, /:2:.*keys\.webhook_secret: a secret written out/],
    ],
    [
      "secrets of webhooks that are none",
      'webhooks: [{ name: a, url: "https://a.example", secret: "${env.SHORT}", previous_secret: "${env.SHORT}" }]\n',
      [/:1:58: webhooks\.secret: must be whsec_ and the base64 of 24 to 64 bytes; this makes one/, /webhooks\.previous_secret: must be/],
    ],
    [
      "webhooks at no address, a private one, or with a password, and one twice",
      `webhooks:
  - { name: a, url: "nowhere", secret: "\${env.NEW}" }
  - { name: b, url: "http://10.0.0.1/", secret: "\${env.NEW}" }
  - { name: a, url: "https://a:b@c.example/", secret: "\${env.NEW}" }
`,
      [
        /:2:22: webhooks\.url: not an address/,
        /:3:22: webhooks\.url: is a private address; write private_url: true/,
        /:4:13: webhooks\.name: a stands here a second time/,
        /:4:22: webhooks\.url: holds a user name or a password/,
      ],
    ],
    [
      "keys that may name webhooks that there are not, or URLs without a secret",
      `keys:
  - { name: a, key: "sha256:${hash}", may_webhook: [orders] }
  - { name: b, key: "\${env.NEW}", may_webhook: any }
  - { name: c, key: "\${env.SHORT}", may_webhook: some }
`,
      [/:4:\d+: keys\.may_webhook: unknown value "some" \(known: any\)/],
    ],
    [
      "the same where the rest is right",
      `keys:
  - { name: a, key: "sha256:${hash}", may_webhook: [orders] }
  - { name: b, key: "\${env.NEW}", may_webhook: any }
`,
      [/:2:\d+: keys\.may_webhook: there is no webhook orders/, /:3:\d+: keys\.may_webhook "any" needs webhook_secret/],
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
      const error = await read(text, { NEW: secret, SHORT: "whsec_c2hvcnQ=" }, ["cat-1", "dog-1"]).catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(ConfigError);
      const told = (error as ConfigError).problems.map(({ file, line, column, message }) => `${file}:${line}:${column}: ${message}`);
      expect(told).to.have.length(problems.length);
      for (const [index, problem] of problems.entries()) expect(told[index]).to.match(problem);
      expect((error as Error).message).not.to.match(/sk-written-out|12345678/);
    });
  }
});
