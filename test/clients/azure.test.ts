// Azure's clients before the gateway, with their own settings.
import { createAzure } from "@ai-sdk/azure";
import { generateImage } from "ai";
import { expect } from "chai";
import { AzureOpenAI, toFile } from "openai";
import { solidPng } from "../../src/picture/png.ts";
import { pixelsOf, startShipped } from "./setup.ts";

describe("client: Azure's", () => {
  let house: Awaited<ReturnType<typeof startShipped>>;
  before(async () => {
    house = await startShipped();
  });
  after(() => house.close());

  const prompt = "a cat";
  const size = "256x256";
  const azure = (options: object = {}) =>
    new AzureOpenAI({ endpoint: house.url, apiKey: house.key, apiVersion: "2025-04-01-preview", ...options });

  for (const [what, options] of [
    ["with the model in the request", {}],
    ["with a deployment", { deployment: "demo" }],
  ] as const) {
    it(`AzureOpenAI ${what} draws`, async () => {
      const { data = [] } = await azure(options).images.generate({
        model: "demo",
        prompt,
        size,
        response_format: "b64_json",
      });
      expect(pixelsOf(Buffer.from(data[0]!.b64_json!, "base64"))).to.equal(size);
    });

    it(`AzureOpenAI ${what} edits`, async () => {
      const image = await toFile(solidPng(64, 64), "cat.png", { type: "image/png" });
      const { data = [] } = await azure(options).images.edit({ model: "demo", prompt, image, size });
      expect(pixelsOf(Buffer.from(data[0]!.b64_json!, "base64"))).to.equal(size);
    });
  }

  it("AzureOpenAI with a deployment lists no other model than the body's need be", async () => {
    const { data = [] } = await azure({ deployment: "demo" }).images.generate({ prompt, size, response_format: "url" } as never);
    expect(data[0]!.url).to.match(/^http/);
  });

  for (const useDeploymentBasedUrls of [false, true])
    it(`@ai-sdk/azure draws ${useDeploymentBasedUrls ? "at its deployments" : "at /openai/v1"}`, async () => {
      const provider = createAzure({ baseURL: `${house.url}/openai`, apiKey: house.key, useDeploymentBasedUrls });
      const { image } = await generateImage({ model: provider.image("demo"), prompt, size });
      expect(pixelsOf(image.uint8Array)).to.equal(size);
    });
});
