// Tests that nothing a channel signs or sends as a secret leaves the gateway, in whatever field of an answer it comes back.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import pino from "pino";
import { solidPng } from "../../src/picture/png.ts";
import type { TestGateway } from "../../src/testing/gateway.ts";
import { gatewayWith } from "../helpers/channels.ts";
import { draw, httpProvider, type Provider } from "../helpers/provider.ts";

const picture = solidPng(8, 8);
const key = "s3cret-key/of+the shop";
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const pem = privateKey.export({ type: "pkcs8", format: "pem" }) as string;

type Reply = (shown: string, url: string) => { status?: number; body: unknown };

const pair = 'keys: [{ id: "${env.ID}", secret: "${env.SECRET}" }]\n';
const single = 'keys: ["${env.KEY}"]\nauth: { header: x-key }\n';
const auths = {
  "an OAuth token": 'oauth2: { token_url: "${env.URL}/token" }',
  "a JWT": 'jwt: { algorithm: HS256, claims: { iss: "${key.id}", exp: "${now + 1800}" } }',
  "a SigV4 signature": "sigv4: { service: s, region: r }",
  "a Volcengine signature": "volcengine: { service: s, region: r }",
  "a TC3 signature": "tc3: { service: s }",
};
const poll = `generate:
  request: { post: /task, json: { prompt: "\${request.prompt}" } }
  poll: { get: /task, every: 1ms, state: "\${body.state}", done: [ok] }
  result: { images: "\${body.data}", url: "\${image.url}" }
`;
const settings = {
  ACCOUNT_ID: "8f14e45fceea167a5a36dedd4bea2543",
  GATE_PASSWORD: "correct horse",
  REGION: "northamerica-northeast1",
  API_VERSION: "2024-02-15-preview",
  LEVEL: "123456789012",
};
const variables = `variables:
  account: "\${env.ACCOUNT_ID}"
  gate: { password: "\${env.GATE_PASSWORD}" }
  mounted: "\${file(env.PIN_FILE)}"
  plain: ["\${env.REGION}", "\${env.API_VERSION}", "\${env.LEVEL}", written-0123456789]
`;
const account = `keys: [{ email: "\${env.ID}", private_key: "\${env.PEM}" }]
auth: { google_service_account: { scope: s, token_url: "\${env.URL}/token" } }
`;

describe("what a provider says again", () => {
  let reply: Reply;
  let shown = "";
  let provider: Provider;
  let gateway: TestGateway;
  const lines: string[] = [];

  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "pictor-masking-"));
    await writeFile(join(folder, "pin"), "pin-4711\n");
    provider = await httpProvider((incoming, response) => {
      incoming.resume();
      if (incoming.url === "/token")
        return void response.end(JSON.stringify({ access_token: "opaque.token~of+the/shop", expires_in: 3600 }));
      if (incoming.url?.startsWith("/gone")) return void response.writeHead(404).end();
      if (incoming.method === "GET" && incoming.url !== "/task") return void response.end(picture);
      shown = incoming.headers.authorization ?? String(incoming.headers["x-key"]);
      const { status = 200, body } = reply(shown, provider.url);
      return void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    });
    const channel = (model: string, rest: string, extend = "extends: openai-images\n") =>
      [
        `${model}.yaml`,
        `${extend}base_url: \${env.URL}\ncool_down: { after: 100 }\nmodels: { ${model}: { schema: demo } }\n${rest}`,
      ] as const;
    const files = Object.fromEntries([
      ...Object.values(auths).map((auth, index) => channel(`auth-${index}`, `${pair}auth: { ${auth} }\n`)),
      channel("single", single),
      channel("account", account),
      channel("poll", single + poll, ""),
      channel("settings", variables),
      channel("settings-and-key", single + variables),
    ]);
    const env = {
      KEY: key,
      ID: "the-id-of-the-shop",
      SECRET: "the-secret-of-the-shop",
      PEM: pem,
      URL: provider.url,
      PIN_FILE: join(folder, "pin"),
      ...settings,
    };
    gateway = await gatewayWith(files, env, { log: pino({ level: "trace" }, { write: (line: string) => lines.push(line) }) });
  });
  after(async () => {
    await gateway.close();
    await provider.close();
    await rm(folder, { recursive: true });
  });

  /** Ask a model whose provider answers so, and give all that left: answer, headers and log. */
  async function leaving(model: string, answers: Reply, request: object = {}) {
    reply = answers;
    lines.splice(0);
    const answer = await draw(gateway, { model, prompt: "a lighthouse at dusk", ...request });
    return { answer, left: [answer.text, JSON.stringify([...answer.headers]), ...lines].join("\n") };
  }

  describe("a secret that a provider repeats", () => {
    for (const [index, what] of Object.keys(auths).entries()) {
      const secretOf = (shown: string) => shown.replace(/^.*(?:Signature=|Bearer )/, "");

      it(`reaches neither the client nor the log in an error where it is ${what}`, async () => {
        const { answer, left } = await leaving(`auth-${index}`, (secret) => ({
          status: 400,
          body: { error: { message: `bad request with ${secret}`, code: secretOf(secret), param: secretOf(secret) } },
        }));
        expect(secretOf(shown)).to.have.length.above(20);
        expect(answer.status).to.equal(400);
        expect(answer.json.error.message).to.contain("bad request with");
        expect(left).not.to.contain(secretOf(shown));
        expect(left).not.to.contain("the-secret-of-the-shop");
      });

      it(`is masked in a good answer where it is ${what}`, async () => {
        const { answer, left } = await leaving(`auth-${index}`, (secret, url) => ({
          body: { data: [{ url: `${url}/1.png`, revised_prompt: `drawn for ${secretOf(secret)}` }], usage: { who: secret } },
        }));
        expect(answer.status).to.equal(200);
        expect(left).not.to.contain(secretOf(shown));
      });
    }

    it("reaches neither the client nor the log in an error where it is a service account's token", async () => {
      const { answer, left } = await leaving("account", (secret) => ({ status: 403, body: { error: `no rights for ${secret}` } }));
      expect(answer.status).to.equal(502);
      expect(left).to.contain("no rights for Bearer ***");
      expect(left).not.to.contain("opaque.token");
    });

    const everywhere = (url: string) => ({
      data: [{ url: `${url}/1.png`, revised_prompt: `a lighthouse, says ${key}` }],
      usage: { total_tokens: 3, [key]: 1, for: [key, { deep: Buffer.from(key).toString("base64") }] },
      metadata: { account: key, link: `https://a.example/?key=${encodeURIComponent(key)}` },
      size: key,
      quality: `${key}!`,
      output_format: key,
      background: key,
    });
    const hidden = [key, encodeURIComponent(key), new URLSearchParams({ key }).toString().slice(4), Buffer.from(key).toString("base64")];

    for (const request of [{}, { response_format: "b64_json" }, { stream: true, response_format: "url" }]) {
      it(`is masked in every field of a good answer to ${JSON.stringify(request)}`, async () => {
        const { answer, left } = await leaving("single", (_, url) => ({ body: everywhere(url) }), request);
        expect(answer.status).to.equal(200);
        expect(answer.text).to.contain("a lighthouse, says ***");
        for (const text of hidden) expect(left).not.to.contain(text);
      });
    }

    it("is masked where the answer begins before the provider's is whole", async () => {
      const large = Buffer.concat([solidPng(8, 8), randomBytes(600_000)]).toString("base64");
      const { answer, left } = await leaving(
        "single",
        (_, url) => ({ body: { ...everywhere(url), created: 1, data: [{ b64_json: large, revised_prompt: `says ${key}` }] } }),
        { response_format: "b64_json" },
      );
      expect(answer.json.data[0]?.b64_json).to.equal(large);
      for (const text of hidden) expect(left).not.to.contain(text);
    });

    it("is in no URL of a picture, which is then one of ours", async () => {
      for (const request of [{}, { response_format: "url" }]) {
        const { answer, left } = await leaving(
          "single",
          (_, base) => ({ body: { data: [{ url: `${base}/1.png?key=${encodeURIComponent(key)}` }] } }),
          request,
        );
        expect(answer.status).to.equal(200);
        expect(answer.json.data[0]?.url).to.match(new RegExp(`^${gateway.url}/images/`));
        const stored = await fetch(answer.json.data[0]?.url ?? "");
        expect(Buffer.from(await stored.arrayBuffer())).to.deep.equal(picture);
        for (const text of hidden) expect(left).not.to.contain(text);
      }
    });

    it("is masked in a state that the channel does not list", async () => {
      let polls = 0;
      const { answer, left } = await leaving("poll", (_, url) => ({
        body: { state: (polls += 1) < 3 ? `waiting for ${key}` : "ok", data: [{ url: `${url}/1.png` }] },
      }));
      expect(answer.status).to.equal(200);
      expect(left).to.contain("waiting for ***");
      for (const text of hidden) expect(left).not.to.contain(text);
    });
  });

  describe("a setting of the operator that a provider repeats", () => {
    const secrets = [settings.ACCOUNT_ID, settings.GATE_PASSWORD, "pin-4711"];
    const plain = [settings.REGION, settings.API_VERSION, settings.LEVEL, "written-0123456789"];
    const said = [...secrets, ...plain].join(", ");
    const masked = ["***", "***", "***", ...plain].join(", ");

    for (const model of ["settings", "settings-and-key"]) {
      it(`is masked where it is a secret, and stays where it is none, on the channel ${model}`, async () => {
        const failed = await leaving(model, () => ({ status: 400, body: { error: { message: `no: ${said}` } } }));
        expect(failed.answer.json.error.message).to.equal(`no: ${masked}`);
        const good = await leaving(model, (_, url) => ({ body: { data: [{ url: `${url}/1.png`, revised_prompt: said }] } }));
        expect(good.answer.status).to.equal(200);
        expect(good.answer.text).to.contain(masked);
        for (const text of secrets) expect(failed.left + good.left).not.to.contain(text);
      });
    }

    it("is in no URL of a picture that is logged since it cannot be fetched, no more than the key is", async () => {
      const { answer, left } = await leaving(
        "settings-and-key",
        (_, url) => ({ body: { data: [{ url: `${url}/gone?key=${encodeURIComponent(key)}&of=${settings.ACCOUNT_ID}` }] } }),
        { response_format: "b64_json" },
      );
      expect(answer.status).to.equal(502);
      expect(left).to.contain("/gone?key=***&of=***");
      for (const text of [encodeURIComponent(key), settings.ACCOUNT_ID]) expect(left).not.to.contain(text);
    });
  });

  describe("a client's words in a provider's error", () => {
    const prompt = 'an old "lighthouse" at dusk, with\nthe beam on the water and nobody about';

    it("are not logged, neither whole nor cut", async () => {
      for (const said of [`no: ${prompt}`, `no: ${prompt.slice(0, 40)}... is bad`, `no: ${JSON.stringify({ prompt })}`]) {
        const { answer, left } = await leaving("single", () => ({ status: 400, body: { error: said } }), { prompt });
        expect(answer.status).to.equal(400);
        expect(left).to.contain("(the prompt)");
        expect(left).not.to.contain("lighthouse");
      }
    });

    it("are not logged as base64, in one line or many", async () => {
      const base64 = randomBytes(300).toString("base64");
      for (const text of [base64, base64.replace(/.{76}/g, "$&\n")]) {
        const { left } = await leaving("single", () => ({
          status: 400,
          body: { error: `cannot read data:image/png;base64,${text} as a picture` },
        }));
        expect(left).to.contain("cannot read data:image/png;base64,(base64) as a picture");
        expect(left).not.to.contain(base64.slice(0, 40)).and.not.to.contain(base64.slice(-40));
      }
    });
  });
});
