import { expect } from "chai";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { verify } from "../../src/cli/verify.ts";
import { channel, makeFolder } from "../channels/mistakes.ts";
import { inProcess, pictor } from "./commands.ts";

const acme = `${channel
  .replace("https://api.example.com", "${env.ACME_URL}")
  .replace(/keys:.*/, 'keys: ["${env.GOOD_KEY}", "${env.BAD_KEY}", "${env.EMPTY_KEY}"]')}verify: { get: /credits }
errors:
  - { when: body.credits == 0, class: quota, message: "no credits left for \${body.of}" }
`;
const own = `${channel.replace("https://api.example.com", "${env.ACME_URL}").replace(/keys:.*\n/, "")}verify: { get: /hello }\n`;

const keys = { GOOD_KEY: "good-key-1", BAD_KEY: "bad-key-22", EMPTY_KEY: "empty-key-333" };
const modelsOfProvider = [
  { id: "m-1", size: 1, shutdown_date: "2026-12-01" },
  { id: "m-2", size: 1, shutdown_date: "2027-01-01T00:00:00Z" },
  { id: "m-4", size: 1, shutdown_date: null },
  { id: "m-5", size: 1 },
];
const refusedKey = "refused-key-4444";

describe("pictor verify", () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const key = request.headers.authorization?.replace("Bearer ", "") ?? "";
    asked.push(`${request.method} ${request.url} ${key}`);
    response.writeHead(key === keys.BAD_KEY ? 401 : 200, { "content-type": "application/json" });
    if (request.url === "/models") return void response.end(JSON.stringify({ data: modelsOfProvider }));
    if (key === refusedKey) return void response.end(JSON.stringify({ success: false, message: "no such token" }));
    response.end(
      JSON.stringify(key === keys.BAD_KEY ? { error: `${key} is unknown` } : { credits: key === keys.EMPTY_KEY ? 0 : 9, of: key }),
    );
  });
  let folder: string;
  let env: Record<string, string>;
  before(async () => {
    folder = await makeFolder({ "acme.yaml": acme, "own.yaml": own, "x.yaml": channel });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    env = { PICTOR_CHANNELS: folder, ACME_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });
  const run = (name?: string, more: Record<string, string> = {}, json = false) =>
    inProcess((say) => verify(name, { json }, { ...env, ...more }, say));

  it("tries every key of every channel that is on, and tells no secret", async () => {
    asked.length = 0;
    expect(await run(undefined, keys)).to.deep.equal({
      code: 1,
      out: `acme key 1: ok
acme key 2: auth: *** is unknown
acme key 3: quota: no credits left for ***
own key 1: ok
`.replace("own key 1", "own"),
      err: "",
    });
    expect(asked).to.deep.equal(["GET /credits good-key-1", "GET /credits bad-key-22", "GET /credits empty-key-333", "GET /hello "]);
  });

  it("ends with 0 when the keys work", async () => {
    expect(await run("acme", { GOOD_KEY: keys.GOOD_KEY })).to.deep.equal({ code: 0, out: "acme key 1: ok\n", err: "" });
    const { code, out } = await run("own", {}, true);
    expect([code, JSON.parse(out)]).to.deep.equal([0, { verdicts: [{ channel: "own", verdict: "ok" }], models: [] }]);
  });

  it("does not take an error inside a 200 for a key that works", async () => {
    expect((await run("acme", { GOOD_KEY: refusedKey })).out).to.equal("acme key 1: failed: no such token\n");
  });

  it("tells why a channel that is named cannot be tried", async () => {
    expect(await run("acme")).to.include({ code: 1 });
    expect((await run("acme")).out).to.match(/^acme: off: GOOD_KEY or .* is not set\n$/);
    const { out } = await run("x", { X_API_KEY: "k" }, true);
    expect(JSON.parse(out)).to.deep.equal({
      verdicts: [{ channel: "x", verdict: "it has no verify, no call is known to be free" }],
      models: [],
    });
    expect((await run("acm")).err).to.equal("there is no channel acm (did you mean acme?)");
  });

  it("tells a provider that does not answer", async () => {
    const { code, out } = await run("own", { ACME_URL: "http://127.0.0.1:1" });
    expect([code, out]).to.deep.equal([1, "own: failed: the provider could not be reached\n"]);
  });

  describe("of a provider that lists its models", () => {
    const day = "2026-11-01";
    const list = channel
      .replace("https://api.example.com", "${env.ACME_URL}")
      .replace(/keys:.*\n/, "")
      .replace(
        "  m:\n",
        `  m: { upstream: m-1, retires: 2026-12-01 }
  untold: { schema: m, upstream: m-2 }
  gone: { schema: m, upstream: m-3 }
  dead: { schema: m, retired: 2026-05-12 }
`,
      );
    let listed: string;
    const differ = async (verifySpec: string, json = false) => {
      listed = await makeFolder({ "list.yaml": `${list}verify: ${verifySpec}\n` });
      try {
        return await inProcess((say) => verify(undefined, { json, now: Date.parse(day) }, { ...env, PICTOR_CHANNELS: listed }, say));
      } finally {
        await rm(listed, { recursive: true });
      }
    };

    it("tells what is new, what is gone, and what ends, and fails for none of them", async () => {
      expect(await differ('{ get: /models, models: "${body.data}" }')).to.deep.equal({
        code: 0,
        out: `list: ok
list: the provider also lists m-4, m-5
list: the provider does not list m-3
list: m-1 is shut down on 2026-12-01
list: m-2 is shut down on 2027-01-01, which the file does not say
`,
        err: "",
      });
      const { models } = JSON.parse((await differ('{ get: /models, models: "${body.data}" }', true)).out) as { models: object[] };
      expect(models).to.deep.equal([
        {
          channel: "list",
          new: ["m-4", "m-5"],
          gone: ["m-3"],
          ending: [
            { model: "m-1", shutdown_date: "2026-12-01", told: true },
            { model: "m-2", shutdown_date: "2027-01-01", told: false },
          ],
        },
      ]);
    });

    it("reads the list from another call, as names too", async () => {
      asked.length = 0;
      const { out } = await differ('{ get: /hello, from: { get: /models }, models: "${body.data.map(m, m.id)}" }');
      expect(out).to.equal("list: ok\nlist: the provider also lists m-4, m-5\nlist: the provider does not list m-3\n");
      expect(asked).to.deep.equal(["GET /hello ", "GET /models "]);
    });

    for (const [models, why] of [
      ["${body.things}", "body.things is not there"],
      ["${body.data[0]}", "it is not a list"],
      ["${body.data.map(m, m.size)}", "an element has no id"],
    ])
      it(`says why the list cannot be read: ${why}`, async () => {
        const { code, out } = await differ(`{ get: /models, models: "${models}" }`);
        expect([code, out]).to.deep.equal([1, `list: bad_response: the list of models cannot be read: ${why}\n`]);
      });
  });

  describe("of the channels that ship", () => {
    let answers: Record<string, unknown> = {};
    const provider = createServer((request, response) => {
      const { pathname } = new URL(request.url ?? "", "http://provider");
      response
        .writeHead(pathname in answers ? 200 : 404, { "content-type": "application/json" })
        .end(JSON.stringify(answers[pathname] ?? {}));
    });
    before(async () => {
      provider.listen(0, "127.0.0.1");
      await once(provider, "listening");
    });
    after(() => {
      provider.closeAllConnections();
      provider.close();
    });

    for (const [name, key, replies] of [
      ["openai", "OPENAI_API_KEY", { "/models": { object: "list", data: [{ id: "gpt-image-9", shutdown_date: null }, { id: "gpt-9" }] } }],
      ["xai", "XAI_API_KEY", { "/image-generation-models": { models: [{ id: "gpt-image-9", aliases: [] }] } }],
      ["openrouter", "OPENROUTER_API_KEY", { "/key": { data: { label: "k" } }, "/images/models": { data: [{ id: "gpt-image-9" }] } }],
      ["together", "TOGETHER_API_KEY", { "/models": [{ id: "gpt-image-9", type: "image" }, { id: "gpt-9", type: "chat" }, { id: "x" }] }],
      ["google-gemini", "GEMINI_API_KEY", { "/models": { models: [{ name: "models/gpt-image-9" }, { name: "models/gpt-9" }] } }],
    ] as const)
      it(`reads the list of ${name}`, async () => {
        answers = replies;
        const url = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`;
        const given = { [key]: "key-1", [`${name.toUpperCase().replace("-", "_")}_BASE_URL`]: url };
        const { code, out } = await inProcess((say) => verify(name, { json: true }, given, say));
        const { models } = JSON.parse(out) as { models: { new: string[] }[] };
        expect([code, models.map((one) => one.new)]).to.deep.equal([0, [["gpt-image-9"]]]);
      });
  });

  it("is a command, and says when there is nothing to try", async () => {
    expect(await pictor(["verify"], { PICTOR_CHANNELS: folder })).to.deep.equal({
      code: 0,
      out: "no channel that is on has a free call\n",
      err: "",
    });
  });
});
