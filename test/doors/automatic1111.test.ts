import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { solidPng } from "../../src/picture/png.ts";
import { reply, type House } from "../http/setup.ts";
import { doorsOf, houseWithDoors } from "./house.ts";

describe("doors: automatic1111", () => {
  let house: House;
  const picture = solidPng(512, 512).toString("base64");
  before(async () => {
    const { doors, problems } = await doorsOf({ automatic1111: await readFile("channels/doors/automatic1111.yaml", "utf8") });
    expect(problems.map(({ message }) => message)).to.deep.equal([]);
    house = await houseWithDoors(
      doors.map(({ door }) => door),
      (_, response) => reply(response, { data: [{ b64_json: picture }] }),
    );
  });
  after(() => house.close());
  const call = async (
    method: string,
    path: string,
    body?: unknown,
    authorization = `Basic ${Buffer.from(`me:${house.key}`).toString("base64")}`,
  ) => {
    const response = await fetch(`${house.url}${path}`, {
      method,
      headers: { authorization, "content-type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: response.status, headers: response.headers, json: (await response.json()) as Record<string, unknown> };
  };

  it("draws", async () => {
    const body = {
      prompt: "a cat",
      negative_prompt: "dogs",
      width: 512,
      height: 512,
      steps: 20,
      seed: -1,
      override_settings: { sd_model_checkpoint: "demo" },
    };
    const { status, headers, json } = await call("POST", "/sdapi/v1/txt2img", body);
    expect(status, JSON.stringify(json)).to.equal(200);
    expect(json.images).to.deep.equal([picture]);
    expect(headers.get("x-pictor-changes")).to.include("steps dropped");
    expect(JSON.parse(String(json.info))).to.include({ prompt: "a cat", seed: -1 });
  });

  it("keeps the model", async () => {
    expect((await call("POST", "/sdapi/v1/options", { sd_model_checkpoint: "acme/cat-1" })).json).to.equal(null);
    expect((await call("GET", "/sdapi/v1/options")).json).to.include({ sd_model_checkpoint: "acme/cat-1" });
    expect((await call("GET", "/sdapi/v1/sd-models")).json).to.have.length(3);
  });

  it("says errors", async () => {
    const { status, json } = await call("POST", "/sdapi/v1/txt2img", { prompt: "x" }, "Bearer nobody");
    expect(status).to.equal(401);
    expect(json.detail).to.be.a("string");
  });
});
