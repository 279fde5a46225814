import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateImage } from "ai";
import { expect } from "chai";
import { solidPng } from "../../src/picture/png.ts";
import { dallE3Call, pixelsOf, startShipped } from "./setup.ts";

describe("client: the AI SDK", () => {
  let house: Awaited<ReturnType<typeof startShipped>>;
  before(async () => {
    house = await startShipped();
  });
  after(() => house.close());

  const openai = () => createOpenAI({ baseURL: `${house.url}/v1`, apiKey: house.key });
  const compatible = () => createOpenAICompatible({ name: "pictor", baseURL: `${house.url}/v1`, apiKey: house.key });

  for (const [name, provider] of [
    ["@ai-sdk/openai", openai],
    ["@ai-sdk/openai-compatible", compatible],
  ] as const) {
    const model = (id: string) => (name === "@ai-sdk/openai" ? openai().image(id) : compatible().imageModel(id));

    it(`${name} draws with the demo model`, async () => {
      const { images } = await generateImage({ model: model("demo"), prompt: "a cat", size: "320x240", n: 2, maxRetries: 0 });
      expect(images.map(({ uint8Array, mediaType }) => [pixelsOf(uint8Array), mediaType])).to.deep.equal([
        ["320x240", "image/png"],
        ["320x240", "image/png"],
      ]);
    });

    it(`${name} gets base64 of dall-e-3, which gives a URL`, async () => {
      house.mock.play([
        {
          expect: dallE3Call("hd", "natural"),
          reply: { json: { created: 1, data: [{ url: `${house.mock.url}/cat.png`, revised_prompt: "a fluffy cat" }] } },
        },
        {
          expect: { get: "/cat.png" },
          reply: { base64: solidPng(1024, 1024).toString("base64"), headers: { "content-type": "image/png" } },
        },
      ]);
      const { image } = await generateImage({
        model: model("dall-e-3"),
        prompt: "a cat",
        size: "1024x1024",
        providerOptions: { openai: { quality: "hd", style: "natural" }, pictor: { quality: "hd", style: "natural" } },
        maxRetries: 0,
      });
      expect(house.mock.complaints()).to.deep.equal([]);
      expect(pixelsOf(image.uint8Array)).to.equal("1024x1024");
    });

    it(`${name} gets base64 of gpt-image-1, which takes no response_format`, async () => {
      house.mock.play([
        {
          expect: {
            post: "/images/generations",
            json: { model: "gpt-image-1", prompt: "a cat", n: 1, size: "1536x1024", quality: "auto" },
          },
          reply: { json: { created: 1, data: [{ b64_json: solidPng(1536, 1024).toString("base64") }] } },
        },
      ]);
      const { image } = await generateImage({ model: model("gpt-image-1"), prompt: "a cat", size: "1536x1024", maxRetries: 0 });
      expect(house.mock.complaints()).to.deep.equal([]);
      expect(pixelsOf(image.uint8Array)).to.equal("1536x1024");
    });

    it(`${name} reads the gateway's errors`, async () => {
      const error: unknown = await generateImage({ model: model("dall-e-3"), prompt: "a cat", size: "64x64", maxRetries: 0 }).catch(
        (reason: unknown) => reason,
      );
      expect(APICallError.isInstance(error) && { status: error.statusCode, again: error.isRetryable }).to.deep.equal({
        status: 400,
        again: false,
      });
      expect((error as APICallError).message).to.include("1024x1792");
      expect(provider).to.be.a("function");
    });
  }
});
