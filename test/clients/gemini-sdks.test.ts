import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { HumanMessage } from "@langchain/core/messages";
import { ChatGoogleGenerativeAI } from "@langchain/google-genai";
import { APICallError, generateImage, generateText, NoImageGeneratedError, streamText } from "ai";
import { expect } from "chai";
import { solidPng } from "../../src/picture/png.ts";
import { drawn, models, startDoors, task } from "./door-house.ts";
import { pixelsOf } from "./setup.ts";

const cat = solidPng(320, 320);
const busy = [{ expect: { post: "/tasks" }, reply: { status: 429, headers: { "retry-after": "7" }, json: {} } }];

describe("client: Gemini's other SDKs", () => {
  let house: Awaited<ReturnType<typeof startDoors>>;
  before(async () => {
    house = await startDoors();
  });
  after(() => house.close());
  afterEach(() => expect(house.mock.complaints()).to.deep.equal([]));

  const thrown = (call: Promise<unknown>) =>
    call.then(
      () => expect.fail("it had to fail"),
      (reason: unknown) => reason,
    );

  describe("@ai-sdk/google", () => {
    const google = (apiKey = house.key) => createGoogleGenerativeAI({ apiKey, baseURL: `${house.url}/v1beta` });
    const statusOf = (error: unknown) => (APICallError.isInstance(error) ? error.statusCode : error);

    it("draws and edits with generateImage", async () => {
      const model = google().image(models.demo);
      const { image } = await generateImage({ model, prompt: "a cat", aspectRatio: "16:9", seed: 7 });
      expect([pixelsOf(image.uint8Array), image.mediaType]).to.deep.equal(["1920x1080", "image/png"]);
      house.mock.play(task({ words: "at night", ratio: "16:9", pictures: [cat.toString("base64")] }));
      const edited = await generateImage({
        model: google().image(models.tasks),
        prompt: { text: "at night", images: [cat] },
        aspectRatio: "16:9",
      });
      expect(pixelsOf(edited.image.uint8Array)).to.equal("64x36");
    });

    it("draws with generateText and streamText, also with a model whose name has a slash", async () => {
      const usage = { input_tokens: 5, output_tokens: 7, total_tokens: 12 };
      house.mock.play(task({ words: "in ink\na cat" }, { state: "done", picture: drawn.toString("base64"), usage }));
      const {
        files,
        text,
        finishReason,
        usage: told,
      } = await generateText({
        model: google()("acme/easel"),
        system: "in ink",
        prompt: "a cat",
        providerOptions: { google: { responseModalities: ["TEXT", "IMAGE"] } },
      });
      expect(files.map(({ uint8Array }) => pixelsOf(uint8Array))).to.deep.equal(["64x36"]);
      expect([text, finishReason, told.totalTokens]).to.deep.equal(["", "stop", 12]);
      const stream = streamText({ model: google()(models.demo), prompt: "a cat" });
      expect((await stream.files).map(({ uint8Array }) => pixelsOf(uint8Array))).to.deep.equal(["1024x1024"]);
      expect([await stream.text, await stream.finishReason]).to.deep.equal(["", "stop"]);
    });

    it("reads a refusal", async () => {
      const refused = await thrown(generateImage({ model: google().image(models.demo), prompt: "something forbidden" }));
      expect(NoImageGeneratedError.isInstance(refused), String(refused)).to.equal(true);
      house.mock.play(task({ words: "a cat" }, { state: "refused", why: "no cats" }));
      const { finishReason, files } = await generateText({ model: google()(models.tasks), prompt: "a cat" });
      expect([finishReason, files]).to.deep.equal(["content-filter", []]);
    });

    it("throws for a wrong size, a wrong key and too many requests", async () => {
      for (const id of [models.demo, models.tasks]) {
        const options = { google: { imageConfig: { aspectRatio: "21:9", imageSize: "512" } } };
        const error = await thrown(generateImage({ model: google().image(id), prompt: "a cat", providerOptions: options }));
        expect(statusOf(error)).to.equal(400);
        expect((error as Error).message)
          .to.include("21:9(512)")
          .and.include("16:9");
      }
      expect(statusOf(await thrown(generateText({ model: google("wrong")(models.demo), prompt: "a cat" })))).to.equal(401);
      house.mock.play(busy);
      expect(statusOf(await thrown(generateText({ model: google()("acme/easel"), prompt: "a cat", maxRetries: 0 })))).to.equal(429);
    });
  });

  describe("@langchain/google-genai", () => {
    const chat = (model: string, apiKey = house.key) => new ChatGoogleGenerativeAI({ model, apiKey, baseUrl: house.url, maxRetries: 0 });
    const sizesOf = (content: unknown) =>
      (Array.isArray(content) ? (content as { inlineData?: { data: string } }[]) : []).flatMap(({ inlineData }) =>
        inlineData ? [pixelsOf(Buffer.from(inlineData.data, "base64"))] : [],
      );

    it("draws, and edits", async () => {
      const { content } = await chat(models.demo).invoke("a cat");
      expect(sizesOf(content)).to.deep.equal(["1024x1024"]);
      house.mock.play(task({ words: "at night", pictures: [cat.toString("base64")] }));
      const image = { type: "image", mimeType: "image/png", data: cat.toString("base64") };
      const edited = await chat(models.tasks).invoke([new HumanMessage({ content: [{ type: "text", text: "at night" }, image] })]);
      expect(sizesOf(edited.content)).to.deep.equal(["64x36"]);
      expect(edited.usage_metadata?.total_tokens).to.equal(12);
    });

    it("streams, past the signs of life", async () => {
      house.mock.play(task({ words: "a cat" }));
      const sizes: string[] = [];
      for await (const { content } of await chat(models.tasks).stream("a cat")) sizes.push(...sizesOf(content));
      expect(sizes).to.deep.equal(["64x36"]);
    });

    it("throws for a refusal, a wrong key and too many requests", async () => {
      expect(await thrown(chat(models.demo).invoke("something forbidden"))).to.include({ name: "EmptyContentError" });
      expect(await thrown(chat(models.demo, "wrong").invoke("a cat"))).to.include({ status: 401 });
      // A model of its own: the other is left alone for as long as the provider said.
      house.mock.play(busy);
      expect(await thrown(chat("acme/brush").invoke("a cat"))).to.include({ status: 429 });
    });
  });
});
