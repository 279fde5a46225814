import { expect } from "chai";
import { createClientKeys } from "../../src/http/client-keys.ts";
import { errorOf, startHouse, type House } from "./setup.ts";

describe("http: client keys", () => {
  let house: House;
  before(async () => {
    house = await startHouse(undefined, { keys: createClientKeys(["sk-one", "sk-two"]) });
  });
  after(() => house.close());

  const models = (authorization?: string) =>
    fetch(`${house.url}/v1/models`, { headers: authorization === undefined ? {} : { authorization } });

  for (const [sentence, authorization] of [
    ["as usual", "Bearer sk-one"],
    ["the other one", "Bearer sk-two"],
    ["with the scheme in lower case", "bearer sk-one"],
    ["with the scheme in upper case", "BEARER sk-one"],
    ["with spaces to spare", "Bearer   sk-one  "],
  ] as const) {
    it(`takes a key ${sentence}`, async () => expect((await models(authorization)).status).to.equal(200));
  }

  for (const [sentence, authorization] of [
    ["no header", undefined],
    ["an empty header", ""],
    ["another scheme", "Basic sk-one"],
    ["no scheme", "sk-one"],
    ["a scheme without a key", "Bearer "],
    ["a wrong key", "Bearer sk-three"],
    ["a key's beginning", "Bearer sk-on"],
    ["two keys", "Bearer sk-one sk-two"],
  ] as const) {
    it(`refuses ${sentence}`, async () => {
      const { message, type } = await errorOf(await models(authorization), 401, "invalid_api_key");
      expect(type).to.equal("invalid_request_error");
      expect(message).not.to.include("sk-");
    });
  }

  it("asks for a key before it tells whether a path exists, and reads no body for a stranger", async () => {
    await errorOf(await fetch(`${house.url}/nothing`), 401, "invalid_api_key");
    const body = "x".repeat(3_000_000);
    await errorOf(await fetch(`${house.url}/v1/images/generations`, { method: "POST", body }), 401, "invalid_api_key");
  });

  it("takes paths as routes do: no spelling of a closed path is open", async () => {
    for (const path of [
      "/V1/Models",
      "/v1/models/",
      "/v1//models",
      "/images/../v1/models",
      "/livez/../v1/models",
      "/docs%2f..%2fv1/models",
    ]) {
      const response = await fetch(`${house.url}${path}`);
      expect(response.status, path).to.equal(401);
      await response.body?.cancel();
    }
  });

  for (const path of ["/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs/start.js"]) {
    it(`serves ${path} without a key`, async () => {
      const response = await fetch(`${house.url}${path}`);
      await response.arrayBuffer();
      expect(response.status).to.equal(200);
    });
  }

  it("looks for a picture without a key", async () => errorOf(await fetch(`${house.url}/images/${"x".repeat(32)}`), 404, "not_found"));

  it("never forwards the client's key, and shows the provider its own", async () => {
    const response = await house.generate(
      { model: "demo", prompt: "a cat" },
      { headers: { authorization: "Bearer sk-two", cookie: "a=sk-two", "x-api-key": "sk-two" } },
    );
    expect(response.status).to.equal(200);
    const call = house.provider.calls.at(-1)!;
    expect(call.headers.authorization).to.equal("Bearer acme-secret");
    expect(JSON.stringify(call)).not.to.include("sk-two");
  });
});
