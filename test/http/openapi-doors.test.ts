import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { describeDoors } from "../../src/http/openapi-doors.ts";
import { doorsOf, houseWithDoor } from "../doors/house.ts";
import { reply } from "./setup.ts";

type Json = Record<string, unknown>;

describe("http: the description of doors", () => {
  const described = async (text: string) => describeDoors((await doorsOf({ "doors/door": text })).doors.map(({ door }) => door));
  const sketch = readFile("test/doors/sketch.yaml", "utf8");

  it("has each path with its key, its fields as far as they are known, and errors of its own", async () => {
    const { paths, tags, securitySchemes } = await described(await sketch);
    expect(tags).to.deep.equal([{ name: "door door", description: "Sketch, an API that these tests have made up." }]);
    expect(securitySchemes).to.deep.include({
      "header-x-sketch-key": { type: "apiKey", in: "header", name: "x-sketch-key", description: "A client key of this gateway." },
      "query-key": { type: "apiKey", in: "query", name: "key", description: "A client key of this gateway." },
    });
    expect((securitySchemes["header-authorization"] as Json).description).to.include("the first group of `^SKETCH id=([^,]+)`");
    const { post } = paths["/sketch/{model}:draw"] as { post: Json };
    expect(post).to.include({ operationId: "door-post-sketch-model-draw", summary: "Make pictures." });
    expect(post.security).to.deep.equal([{ "header-x-sketch-key": [] }, { "query-key": [] }, { "header-authorization": [] }]);
    expect(post.parameters).to.deep.equal([{ name: "model", in: "path", required: true, schema: { type: "string" } }]);
    const body = {
      about: { type: "object", properties: { text: {}, shape: {}, seed: {}, mood: { default: "calm" } } },
      ...{ copies: {}, strength: {}, pictures: {}, previews: {}, trace: {} },
    };
    expect(post).to.have.nested.property("requestBody.required", true);
    expect(post.requestBody).to.have.nested.property("content.application/json.schema.properties").that.deep.equals(body);
    const responses = post.responses as Record<string, { content: Json }>;
    expect(Object.keys(responses["200"]!.content)).to.deep.equal(["application/json", "text/event-stream"]);
    for (const status of ["4XX", "5XX"])
      expect(responses[status]).to.have.nested.property("content.application/json.example").that.includes({ ok: false, field: "model" });
    expect(paths["/sketch/models/{model}"]).to.have.nested.property("get.parameters[0].description", "It may hold slashes.");
    expect(paths["/sketch/choice"]).to.have.all.keys("put", "get");
    expect(paths["/sketch/choice"]).to.have.nested.property("put.requestBody.required", false);
  });

  it("has routes that differ in their query as one, and no body of a GET", async () => {
    const { post } = (await described(await sketch)).paths["/sketch"] as { post: Json };
    expect(post).to.include({ summary: "Make pictures. Show a job." });
    expect(post.parameters).to.deep.equal([{ name: "Action", in: "query", required: true, schema: { enum: ["Order", "Fetch"] } }]);
    const text = `description: x
key: [basic]
routes:
  GET /a: { page: "\${body.b}" }
  POST /a?c=d&e=f: { page: 1 }
  POST /a?c=g: { operation: edit, request: { prompt: "\${body.e.f}", size: "\${body.e}" }, defaults: { e: 1 }, answer: 1 }
`;
    const { paths, securitySchemes } = await described(text);
    const { get, post: either } = paths["/a"] as { get: Json; post: Json };
    expect(get).not.to.have.property("requestBody");
    expect(either.summary).to.equal("Answer what clients of this API ask for. Edit pictures.");
    expect(either.parameters).to.deep.equal([
      { name: "c", in: "query", required: true, schema: { enum: ["d", "g"] } },
      { name: "e", in: "query", required: false, schema: { enum: ["f"] } },
    ]);
    expect(either).to.have.nested.property("requestBody.content.application/json.schema.properties.e.default", 1);
    expect(either.responses).to.have.nested.property("4XX.content.application/json.schema.$ref", "#/components/schemas/Error");
    expect(securitySchemes).to.deep.equal({
      basic: { type: "http", scheme: "basic", description: "A client key of this gateway, as the password." },
    });
  });

  it("is in /openapi.json", async () => {
    const house = await houseWithDoor(await sketch, (_, response) => reply(response, {}));
    try {
      const { paths } = (await (await fetch(`${house.url}/openapi.json`)).json()) as { paths: Json };
      expect(paths).to.include.keys("/sketch/{model}:draw", "/v1/images/generations");
    } finally {
      await house.close();
    }
  });
});
