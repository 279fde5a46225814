// Where clients look for the interface, and how they send their keys.
import { expect } from "chai";
import { errorOf, startHouse, type House } from "./setup.ts";

describe("http: base URLs and keys as clients have them", () => {
  let house: House;
  before(async () => {
    house = await startHouse(undefined, { adminKey: "operator" });
  });
  beforeEach(() => house.reset());
  after(() => house.close());

  const post = (path: string, headers: Record<string, string> = { authorization: `Bearer ${house.key}` }, body: object = {}) =>
    fetch(house.url + path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ model: "demo", prompt: "a cat", ...body }),
    });
  const get = (path: string, headers: Record<string, string> = { authorization: `Bearer ${house.key}` }) =>
    fetch(house.url + path, { headers });

  for (const base of ["", "/v1", "/openai/v1", "/openai", "/openai/deployments/demo"])
    it(`a generation is served at ${base}/images/generations`, async () => {
      const response = await post(`${base}/images/generations?api-version=2025-04-01-preview`);
      expect(response.status, await response.clone().text()).to.equal(200);
      expect(await response.json()).to.have.nested.property("data[0].url");
    });

  for (const base of ["", "/v1", "/openai/v1", "/openai/deployments/demo"])
    it(`an edit is looked for at ${base}/images/edits`, async () => {
      // What an edit wants tells that it was taken for one.
      await errorOf(await post(`${base}/images/edits`), 400, "missing_required_parameter", "image");
    });

  it("the models are listed at /models too", async () => {
    for (const path of ["/models", "/v1/models", "/openai/v1/models", "/openai/models"]) {
      const { data } = (await (await get(path)).json()) as { data: object[] };
      expect(data, path).to.have.length(3);
    }
    expect((await get("/models/acme/cat-1")).status).to.equal(200);
  });

  it("the model of a deployment's path is that of a body without one, and a body's own comes first", async () => {
    const named = await post("/openai/deployments/acme%2Fopen/images/generations", undefined, { model: undefined });
    expect(named.status, await named.text()).to.equal(200);
    await post("/openai/deployments/nothing/images/generations");
    expect(house.provider.calls.map(({ body }) => (JSON.parse(body) as { model: string }).model)).to.deep.equal(["acme/open", "demo"]);
    await errorOf(await post("/openai/deployments/nothing/images/generations", undefined, { model: "" }), 404, "model_not_found", "model");
  });

  for (const [path, right] of [
    ["/v1//images/generations", "/v1/images/generations"],
    ["//images/generations", "/v1/images/generations"],
    ["/v1/v1/images/generations", "/v1/images/generations"],
    ["/api/v1/images/edits", "/v1/images/edits"],
    ["/v1/images/generations/images/generations", "/v1/images/generations"],
    ["/v1/chat/completions", "/v1/images/generations"],
  ] as const)
    it(`${path} is a 404 that names ${right}`, async () => {
      const { message } = await errorOf(await post(path), 404, "not_found");
      expect(message).to.include(path).and.include(` ${right}`);
    });

  it("stored pictures stay where they are, and an order beside them needs a key", async () => {
    await errorOf(await get("/images/abc", {}), 404, "not_found");
    for (const path of ["/images/generations", "/Images/Generations", "/images/edits", "/images/generations/"])
      await errorOf(await post(path, {}), 401, "invalid_api_key");
    for (const path of ["/admin/channels/acme/clear", "/Admin/channels/acme/clear", "/ADMIN/Channels/acme/clear/"])
      await errorOf(await post(path), 401, "invalid_api_key");
  });

  const basic = (pair: string) => `Basic ${Buffer.from(pair).toString("base64")}`;
  for (const [what, headers] of [
    ["api-key, as Azure's clients do", { "api-key": "sk-test" }],
    ["x-api-key", { "x-api-key": " sk-test " }],
    ["Basic, as its password", { authorization: basic("anybody:sk-test") }],
    ["Basic, as its user without a password", { authorization: basic("sk-test:") }],
    ["Bearer twice", { authorization: "Bearer Bearer sk-test" }],
  ] as const)
    it(`a key is taken from ${what}`, async () => expect((await get("/v1/models", headers)).status).to.equal(200));

  for (const [what, headers] of [
    ["an api-key that is not ours", { "api-key": "sk-other" }],
    ["an empty api-key", { "api-key": "" }],
    ["an api-key beside a wrong authorization", { "api-key": "sk-test", authorization: "Bearer sk-other" }],
    ["Basic with the key as user and another password", { authorization: basic("sk-test:other") }],
    ["Basic without anything", { authorization: basic(":") }],
  ] as const)
    it(`a key is not taken from ${what}`, async () => errorOf(await get("/v1/models", headers), 401, "invalid_api_key"));

  it("browsers may send every header that clients put a key or a retry into", async () => {
    const open = await startHouse(undefined, { corsOrigins: ["https://app.example"] });
    const asked = "api-key,authorization,content-type,idempotency-key,x-api-key,x-stainless-lang,x-stainless-retry-count";
    try {
      const response = await fetch(`${open.url}/v1/images/generations`, {
        method: "OPTIONS",
        headers: {
          origin: "https://app.example",
          "access-control-request-method": "POST",
          "access-control-request-headers": asked,
        },
      });
      expect(response.status).to.equal(204);
      expect(response.headers.get("access-control-allow-headers")).to.equal(asked);
    } finally {
      await open.close();
    }
  });

  it("a request without a model is for the operator's default, where there is one", async () => {
    await errorOf(await post("/v1/images/generations", undefined, { model: undefined }), 400, "missing_required_parameter", "model");
    const table = { ...house.gateway.table(), defaultModel: "acme/open" };
    const other = await startHouse(undefined, { table: () => table });
    try {
      for (const model of [undefined, null, ""]) {
        const response = await other.generate({ model, prompt: "a cat" });
        expect(response.status, await response.text()).to.equal(200);
      }
    } finally {
      await other.close();
    }
    const asked = house.provider.calls.map(({ body }) => (JSON.parse(body) as { model: string }).model);
    expect(asked).to.deep.equal(["acme/open", "acme/open", "acme/open"]);
  });

  it("partial_images 0 is no change", async () => {
    const response = await house.generate({ model: "demo", prompt: "a cat", partial_images: 0 });
    expect([response.status, response.headers.get("x-pictor-changes")]).to.deep.equal([200, null]);
  });
});
