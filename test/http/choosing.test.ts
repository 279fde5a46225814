import { expect } from "chai";
import { allowsOnly } from "../../src/gateway/client.ts";
import { createTable } from "../../src/gateway/table.ts";
import { createClientKeys, hashOf } from "../../src/http/client-keys.ts";
import { startGateway, type TestGateway } from "../../src/testing/gateway.ts";
import { loadFiles } from "../helpers/channels.ts";
import { httpProvider, type Provider } from "../helpers/provider.ts";
import { errorOf, png } from "./setup.ts";

const channel = (model: string, priority: number) => `extends: openai-images
base_url: \${env.BASE}
priority: ${priority}
models: { ${model} }
`;

describe("http: which channel and model serve a request", () => {
  let good: Provider;
  let bad: Provider;
  let gateway: TestGateway;

  before(async () => {
    good = await httpProvider((_request, response) => response.end('{"data":[{"url":"https://a.example/1"}]}'));
    bad = await httpProvider((_request, response) => response.writeHead(503).end("{}"));
    const files = {
      "first.yaml": channel("dall-e-2: {}", 0),
      "second.yaml": `${channel("dall-e-2: {}", 1)}edit: null\n`,
      "down.yaml": channel("dall-e-3: {}", 0),
    };
    const loaded = await loadFiles(files, { FIRST_BASE_URL: good.url, SECOND_BASE_URL: good.url, DOWN_BASE_URL: bad.url, BASE: good.url });
    const table = createTable(loaded, { fallback: { "dall-e-3": ["nowhere", "dall-e-2"] } });
    const client = (name: string, more: object) => ({
      hash: hashOf(name),
      client: { id: name, name, allows: () => true, mayPin: false, ...more },
    });
    const keys = createClientKeys(
      ["free"],
      [client("bound", {}), client("narrow", { allows: allowsOnly(["dall-e-3"]) }), client("small", { imagesPerMinute: 1 })],
    );
    gateway = await startGateway({ table: () => table, keys });
  });

  after(async () => {
    await gateway.close();
    await good.close();
    await bad.close();
  });

  const ask = (key: string, body: object, headers: Record<string, string> = {}) =>
    fetch(`${gateway.url}/v1/images/generations`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
      body: JSON.stringify({ model: "dall-e-2", prompt: "x", ...body }),
    });

  it("is the channel that the header names, where the key allows that", async () => {
    expect((await ask("free", {})).headers.get("x-pictor-channel")).to.equal("first");
    expect((await ask("free", {}, { "x-pictor-channel": "second" })).headers.get("x-pictor-channel")).to.equal("second");
    await errorOf(await ask("bound", {}, { "x-pictor-channel": "second" }), 403, "channel_not_allowed");
  });

  it("is none where the channel cannot do this with the model, and those that can are told", async () => {
    const { message } = await errorOf(await ask("free", {}, { "x-pictor-channel": "down" }), 400, "invalid_value", "x-pictor-channel");
    expect(message).to.equal('x-pictor-channel: "down" does not generate with dall-e-2; these do: first, second');
    const edit = await ask("free", { image: `data:image/png;base64,${png.toString("base64")}` }, { "x-pictor-channel": "second" });
    const { message: ofEdits } = await errorOf(edit, 400, "invalid_value", "x-pictor-channel");
    expect(ofEdits).to.equal('x-pictor-channel: "second" does not edit with dall-e-2; these do: first');
  });

  it("is another model where the operator says so, the schema takes the request and the key allows it; and it is told", async () => {
    const stoodIn = await ask("free", { model: "dall-e-3", size: "1024x1024" });
    expect([stoodIn.status, stoodIn.headers.get("x-pictor-attempts")]).to.deep.equal([200, "down overloaded, first ok"]);
    expect(stoodIn.headers.get("x-pictor-changes")).to.contain("model=dall-e-3>dall-e-2");
    expect((await ask("free", { model: "dall-e-3", size: "1792x1024" })).status).to.equal(503);
    expect((await ask("narrow", { model: "dall-e-3", size: "1024x1024" })).status).to.equal(503);
  });

  it("is told with 504 where it takes longer than the operator lets a request take", async () => {
    const silent = await httpProvider(() => undefined);
    const loaded = await loadFiles({ "slow.yaml": channel("dall-e-2: {}", 0) }, { BASE: silent.url });
    const table = createTable(loaded, { timeout: 30 });
    const slow = await startGateway({ table: () => table });
    try {
      const response = await fetch(`${slow.url}/v1/images/generations`, {
        method: "POST",
        headers: { authorization: `Bearer ${slow.key}`, "content-type": "application/json" },
        body: JSON.stringify({ model: "dall-e-2", prompt: "x" }),
      });
      expect(response.headers.get("x-pictor-attempts")).to.equal("slow timeout");
      await errorOf(response, 504, "upstream_timeout");
    } finally {
      await slow.close();
      await silent.close();
    }
  });

  it("is refused with 429 and retry-after beyond the client's own limit", async () => {
    expect((await ask("small", {})).status).to.equal(200);
    const refused = await ask("small", {});
    expect(Number(refused.headers.get("retry-after"))).to.be.within(50, 60);
    await errorOf(refused, 429, "rate_limit_exceeded");
  });
});
