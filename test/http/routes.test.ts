import { request } from "node:http";
import { expect } from "chai";
import { dial, errorOf, startHouse, type House } from "./setup.ts";

describe("http: what is served", () => {
  let house: House;
  before(async () => {
    house = await startHouse();
  });
  after(() => house.close());

  const ask = (path: string, init: RequestInit = {}) =>
    fetch(`${house.url}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${house.key}`, ...(init.headers as Record<string, string>) },
    });

  for (const path of [
    "/v1",
    "/v1/chat/completions",
    "/v1/images",
    "/docs/nothing.js",
    "/docs/swagger-ui.css/more",
    "/v1/images/generations/more",
  ]) {
    it(`answers ${path} with 404`, async () => {
      const { message } = await errorOf(await ask(path), 404, "not_found");
      expect(message).to.include(path);
    });
  }

  for (const [method, path, allow] of [
    ["GET", "/v1/images/generations", "POST"],
    ["DELETE", "/v1/images/generations", "POST"],
    ["POST", "/v1/models", "HEAD, GET"],
    ["PUT", "/v1/models/demo", "HEAD, GET"],
    ["POST", "/images/abc", "HEAD, GET"],
    ["OPTIONS", "/livez", "HEAD, GET"],
  ] as const) {
    it(`answers ${method} ${path} with 405 and what is allowed`, async () => {
      const response = await ask(path, { method });
      expect(response.headers.get("allow")).to.equal(allow);
      await errorOf(response, 405, "method_not_allowed");
    });
  }

  it("answers HEAD as GET without the body, errors too", async () => {
    for (const [path, status] of [
      ["/v1/models", 200],
      ["/livez", 200],
      ["/v1/models/nothing", 404],
      ["/v1/images/generations", 405],
    ] as const) {
      const response = await ask(path, { method: "HEAD" });
      expect(response.status, path).to.equal(status);
      expect(response.headers.get("x-request-id"), path).to.match(/^req_/);
      expect(await response.text(), path).to.equal("");
    }
  });

  it("says that variations are not made, and logs no error", async () => {
    await errorOf(await ask("/v1/images/variations", { method: "POST" }), 501, "api_not_implemented");
    expect(house.log.filter(({ level }) => Number(level) >= 50)).to.deep.equal([]);
  });

  it("lists every model once, in OpenAI's shape", async () => {
    const list = (await (await ask("/v1/models")).json()) as { object: string; data: object[] };
    expect(list.object).to.equal("list");
    expect(list.data).to.deep.equal(
      ["demo", "acme/cat-1", "acme/open"].map((id) => ({
        id,
        object: "model",
        // dall-e-2's schema says when that came out; the others have the date of the catalogue.
        created: Date.parse(id === "acme/cat-1" ? "2023-11-01" : "2026-11-22") / 1000,
        owned_by: "acme",
        type: "image",
        operations: id === "acme/open" ? ["generate"] : ["generate", "edit"],
        architecture: { input_modalities: id === "acme/open" ? ["text"] : ["text", "image"], output_modalities: ["image"] },
        ...(id === "acme/open" && { limits: "unknown" }),
      })),
    );
  });

  for (const id of ["demo", "acme/cat-1", "acme%2Fcat-1", "acme%2fcat-1"]) {
    it(`shows the model ${id}`, async () => {
      const model = (await (await ask(`/v1/models/${id}`)).json()) as { id: string };
      expect(model.id).to.equal(decodeURIComponent(id));
    });

    it(`shows the schema of ${id}`, async () => {
      const response = await ask(`/v1/models/${id}/schema`);
      expect(response.headers.get("content-type")).to.match(/^application\/schema\+json/);
      const schema = (await response.json()) as { $defs: object; properties: { size: object } };
      expect(schema.properties.size).to.be.an("object");
      expect(schema.$defs).to.have.property("common");
    });
  }

  for (const id of ["nothing", "acme", "acme/cat-1/more", "demo/schema/schema", "%zz", "__proto__", "constructor", "%01"]) {
    it(`does not know the model ${id}`, async () => errorOf(await ask(`/v1/models/${id}`), 404, "model_not_found", "model"));
  }

  it("takes a path of any length, and shows it cut", async () => {
    const { message } = await errorOf(await ask(`/${"x".repeat(8000)}`), 404, "not_found");
    expect(message.length).to.be.below(300);
  });

  it("gives every request an id of its own, whatever the client sends", async () => {
    const ids = await Promise.all(
      Array.from({ length: 20 }, async () => (await ask("/livez", { headers: { "x-request-id": "mine" } })).headers.get("x-request-id")),
    );
    expect(new Set(ids).size).to.equal(20);
    expect(ids).not.to.include("mine");
  });

  it("answers an absolute target and a client of HTTP/1.0", async () => {
    const status = await new Promise((resolve, reject) => {
      const { hostname, port } = new URL(house.url);
      request({ hostname, port, path: `${house.url}/livez` }, (response) => resolve(response.resume().statusCode))
        .on("error", reject)
        .end();
    });
    expect(status).to.equal(200);
    const socket = await dial(house.url);
    let answer = "";
    socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
    socket.write("GET /livez HTTP/1.0\r\n\r\n");
    await new Promise((resolve) => socket.once("close", resolve));
    expect(answer).to.match(/^HTTP\/1.1 200 OK[^]*\{"status":"ok"\}$/);
  });
});
