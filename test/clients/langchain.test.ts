import { DallEAPIWrapper } from "@langchain/openai";
import { expect } from "chai";
import { solidPng } from "../../src/picture/png.ts";
import { dallE3Call, pixelsOf, startShipped } from "./setup.ts";

describe("client: LangChain", () => {
  let house: Awaited<ReturnType<typeof startShipped>>;
  before(async () => {
    house = await startShipped();
  });
  after(() => house.close());

  const tool = (fields: ConstructorParameters<typeof DallEAPIWrapper>[0]) =>
    new DallEAPIWrapper({ baseUrl: `${house.url}/v1`, apiKey: house.key, ...fields });

  it("gets the URL of a picture from the demo model, which has no quality and takes every style", async () => {
    const url = (await tool({ model: "demo", size: "512x512", dallEResponseFormat: "url" }).invoke("a cat")) as string;
    expect(url.startsWith(`${house.url}/images/`)).to.equal(true);
    expect(pixelsOf(new Uint8Array(await (await fetch(url)).arrayBuffer()))).to.equal("512x512");
  });

  it("gets base64 of dall-e-3, with the style and quality that it always sends", async () => {
    const b64_json = solidPng(1024, 1024).toString("base64");
    house.mock.play([
      {
        expect: dallE3Call("standard", "vivid"),
        reply: { json: { created: 1, data: [{ b64_json }] } },
      },
    ]);
    expect(await tool({ model: "dall-e-3", dallEResponseFormat: "b64_json" }).invoke("a cat")).to.equal(b64_json);
    expect(house.mock.complaints()).to.deep.equal([]);
  });

  it("throws the gateway's error", async () => {
    const error: unknown = await tool({ model: "none" })
      .invoke("a cat")
      .catch((reason: unknown) => reason);
    expect(error).to.include({ status: 404, code: "model_not_found", param: "model" });
  });
});
