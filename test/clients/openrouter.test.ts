import { createOpenRouter } from "@openrouter/ai-sdk-provider";
import { APICallError, generateText, streamText, type ModelMessage } from "ai";
import { expect } from "chai";
import { solidPng } from "../../src/picture/png.ts";
import { drawn, models, startDoors, task } from "./door-house.ts";
import { pixelsOf } from "./setup.ts";

/** A request for a picture; the SDK has no field of its own for that. */
const wanted = { modalities: ["image", "text"] };
const wide = { ...wanted, image_config: { aspect_ratio: "16:9", image_size: "2K" } };

describe("client: @openrouter/ai-sdk-provider", () => {
  let house: Awaited<ReturnType<typeof startDoors>>;
  before(async () => {
    house = await startDoors();
  });
  after(() => house.close());
  afterEach(() => expect(house.mock.complaints()).to.deep.equal([]));

  const model = (id: string, extraBody: object = wanted, apiKey = house.key) =>
    createOpenRouter({ apiKey, baseURL: `${house.url}/v1` }).chat(id, { extraBody: { ...extraBody } });
  const sizesOf = (files: readonly { uint8Array: Uint8Array }[]) => files.map(({ uint8Array }) => pixelsOf(uint8Array));
  const failure = async (call: PromiseLike<unknown>): Promise<APICallError> => {
    const error: unknown = await Promise.resolve(call).catch((reason: unknown) => reason);
    if (!APICallError.isInstance(error)) throw error;
    return error;
  };

  it("draws at once, and by a task", async () => {
    const { files, text, finishReason } = await generateText({ model: model("demo", { ...wide, n: 2 }), prompt: "a cat" });
    expect([sizesOf(files), text, finishReason]).to.deep.equal([["2048x1152", "2048x1152"], "", "stop"]);
    const usage = { input_tokens: 5, output_tokens: 7, total_tokens: 12 };
    const end = { state: "done", picture: drawn.toString("base64"), usage };
    house.mock.play(task({ words: "a cat", ratio: "16:9", tier: "2K" }, end));
    const made = await generateText({ model: model(models.tasks, wide), prompt: "a cat" });
    expect([sizesOf(made.files), made.files[0]?.mediaType, made.usage.totalTokens]).to.deep.equal([["64x36"], "image/png", 12]);
  });

  it("draws in a stream, at once and by a task", async () => {
    for (const [id, size] of [
      ["demo", "1024x1024"],
      ["acme/easel", "64x36"],
    ] as const) {
      house.mock.play(id === "demo" ? [] : task({ words: "a cat" }));
      const stream = streamText({ model: model(id), prompt: "a cat" });
      expect([sizesOf(await stream.files), await stream.finishReason]).to.deep.equal([[size], "stop"]);
    }
  });

  it("edits a picture", async () => {
    const cat = solidPng(320, 320);
    house.mock.play(task({ words: "at night", pictures: [cat.toString("base64")] }));
    const content = [
      { type: "text" as const, text: "at night" },
      { type: "image" as const, image: cat, mediaType: "image/png" },
    ];
    const { files } = await generateText({ model: model(models.tasks), messages: [{ role: "user", content }] });
    expect(sizesOf(files)).to.deep.equal(["64x36"]);
  });

  it("changes what it drew before, where the picture is given with the new words: it sends no file of the model back", async () => {
    const asked: ModelMessage = { role: "user", content: "a cat" };
    house.mock.play(task({ words: "a cat" }));
    const { files, response } = await generateText({ model: model(models.tasks), messages: [asked] });
    const [file] = files;
    const content = [
      { type: "image" as const, image: file?.uint8Array ?? "", mediaType: "image/png" },
      { type: "text" as const, text: "make it blue" },
    ];
    house.mock.play(task({ words: "make it blue", pictures: [drawn.toString("base64")] }));
    const messages: ModelMessage[] = [asked, ...response.messages, { role: "user", content }];
    expect(sizesOf((await generateText({ model: model(models.tasks), messages })).files)).to.deep.equal(["64x36"]);
  });

  it("throws for a refusal, at once and by a task", async () => {
    const refused = await failure(generateText({ model: model("demo"), prompt: "something forbidden" }));
    expect([refused.statusCode, refused.isRetryable]).to.deep.equal([400, false]);
    expect(refused.responseBody).to.include("content_policy_violation");
    house.mock.play(task({ words: "a cat" }, { state: "refused", why: "no cats here" }));
    const { statusCode, message } = await failure(generateText({ model: model("acme/easel"), prompt: "a cat" }));
    expect(statusCode).to.equal(400);
    expect(message).to.include("no cats here");
  });

  it("throws for a wrong size, a wrong key and too many requests", async () => {
    for (const id of ["demo", models.tasks]) {
      const body = { ...wanted, image_config: { aspect_ratio: "7:3" } };
      const { statusCode, message } = await failure(generateText({ model: model(id, body), prompt: "a cat" }));
      expect(statusCode).to.equal(400);
      expect(message).to.include("7:3");
    }
    expect((await failure(generateText({ model: model("demo", wanted, "sk-wrong"), prompt: "a cat" }))).statusCode).to.equal(401);
    house.mock.play([{ expect: { post: "/tasks" }, reply: { status: 429, headers: { "retry-after": "7" }, json: {} } }]);
    const busy = await failure(generateText({ model: model("acme/brush"), prompt: "a cat", maxRetries: 0 }));
    expect([busy.statusCode, busy.isRetryable, busy.responseHeaders?.["retry-after"]]).to.deep.equal([429, true, "7"]);
  });
});
