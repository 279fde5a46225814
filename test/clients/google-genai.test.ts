import { ApiError, FinishReason, GoogleGenAI, type GenerateContentResponse, type Part } from "@google/genai";
import { expect } from "chai";
import { solidPng } from "../../src/picture/png.ts";
import { drawn, models, startDoors, task } from "./door-house.ts";
import { pixelsOf } from "./setup.ts";

describe("client: @google/genai", () => {
  let house: Awaited<ReturnType<typeof startDoors>>;
  let client: GoogleGenAI;
  const cat = solidPng(320, 320);
  const catPart: Part = { inlineData: { mimeType: "image/png", data: cat.toString("base64") } };
  before(async () => {
    house = await startDoors();
    client = at(house.key);
  });
  after(() => house.close());
  afterEach(() => expect(house.mock.complaints()).to.deep.equal([]));

  const at = (apiKey: string) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: house.url } });
  const picturesOf = ({ candidates = [] }: GenerateContentResponse) =>
    candidates.flatMap(({ content }) => (content?.parts ?? []).flatMap(({ inlineData }) => (inlineData?.data ? [inlineData.data] : [])));
  const sizesOf = (response: GenerateContentResponse) => picturesOf(response).map((data) => pixelsOf(Buffer.from(data, "base64")));
  const errorOf = async (call: Promise<unknown>) => {
    const error: unknown = await call.catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(ApiError);
    const { status: http, message } = error as ApiError;
    const told = JSON.parse(message) as { error: { status: string; message: string; details: { retryDelay?: string }[] } };
    return { ...told.error, http };
  };

  it("draws with the demo model, several pictures of a size", async () => {
    const config = { candidateCount: 2, imageConfig: { aspectRatio: "16:9" } };
    const response = await client.models.generateContent({ model: models.demo, contents: "a cat", config });
    expect(sizesOf(response)).to.deep.equal(["1920x1080", "1920x1080"]);
    expect(response).to.include({ modelVersion: models.demo });
    expect(response.candidates?.[0]?.finishReason).to.equal(FinishReason.STOP);
    expect(response.responseId).to.match(/^req_/);
    expect(response.sdkHttpResponse?.headers?.["x-pictor-channel"]).to.equal("demo");
  });

  it("draws by a task, with all that it says of the picture", async () => {
    house.mock.play(task({ words: "in ink\na cat", ratio: "16:9", tier: "2K" }));
    const config = {
      systemInstruction: "in ink",
      responseModalities: ["IMAGE"],
      temperature: 0.5,
      imageConfig: { aspectRatio: "16:9", imageSize: "2K" },
    };
    const response = await client.models.generateContent({ model: models.tasks, contents: "a cat", config });
    expect(response.data).to.equal(drawn.toString("base64"));
    expect(response.usageMetadata).to.deep.equal({ totalTokenCount: 12 });
    expect(response.sdkHttpResponse?.headers?.["x-pictor-changes"]).to.equal("generationConfig.temperature dropped");
  });

  it("edits, also with a model whose name has a slash", async () => {
    const contents = [catPart, "at night"];
    expect(sizesOf(await client.models.generateContent({ model: models.demo, contents }))).to.deep.equal(["1024x1024"]);
    house.mock.play(task({ words: "at night", pictures: [cat.toString("base64")] }));
    expect(sizesOf(await client.models.generateContent({ model: "acme/easel", contents }))).to.deep.equal(["64x36"]);
  });

  it("gets a stream, with signs of life while the task goes on", async () => {
    for (const model of [models.demo, models.tasks]) {
      house.mock.play(model === models.tasks ? task({ words: "a cat" }) : []);
      const pictures: string[] = [];
      const ends: unknown[] = [];
      for await (const chunk of await client.models.generateContentStream({ model, contents: "a cat" })) {
        pictures.push(...sizesOf(chunk));
        ends.push(...(chunk.candidates ?? []).flatMap(({ finishReason }) => finishReason ?? []));
      }
      expect([pictures, ends]).to.deep.equal([[model === models.demo ? "1024x1024" : "64x36"], [FinishReason.STOP]]);
    }
  });

  it("changes in a chat what was drawn before", async () => {
    const chat = client.chats.create({ model: models.tasks });
    house.mock.play(task({ words: "a cat" }));
    await chat.sendMessage({ message: "a cat" });
    house.mock.play(task({ words: "make it blue", pictures: [drawn.toString("base64")] }));
    for await (const chunk of await chat.sendMessageStream({ message: "make it blue" })) expect(chunk.modelVersion).to.equal(models.tasks);
    house.mock.play(task({ words: "and add this", pictures: [drawn.toString("base64"), cat.toString("base64")] }));
    const response = await chat.sendMessage({ message: ["and add this", catPart] });
    expect(sizesOf(response)).to.deep.equal(["64x36"]);
  });

  it("reads a refusal as a candidate without a picture", async () => {
    const { candidates, promptFeedback } = await client.models.generateContent({ model: models.demo, contents: "something forbidden" });
    expect(candidates?.[0]?.finishReason).to.equal(FinishReason.IMAGE_SAFETY);
    expect(promptFeedback?.blockReasonMessage).to.include("refused by the demo");
    house.mock.play(task({ words: "a cat" }, { state: "refused", why: "no cats here" }));
    const chunks: GenerateContentResponse[] = [];
    for await (const chunk of await client.models.generateContentStream({ model: models.tasks, contents: "a cat" }))
      if (chunk.candidates) chunks.push(chunk);
    expect(chunks.map(({ promptFeedback: feedback }) => feedback?.blockReasonMessage)).to.deep.equal(["no cats here"]);
  });

  it("throws an error that says which sizes there are", async () => {
    for (const model of [models.demo, models.tasks]) {
      const call = client.models.generateContent({ model, contents: "a cat", config: { imageConfig: { aspectRatio: "7:3" } } });
      const { http, status, message } = await errorOf(call);
      expect([http, status]).to.deep.equal([400, "INVALID_ARGUMENT"]);
      expect(message).to.include("16:9").and.include("7:3");
    }
  });

  it("throws for a wrong key, an unknown model and a body that wants no picture", async () => {
    const contents = "a cat";
    expect(await errorOf(at("wrong").models.generateContent({ model: models.demo, contents }))).to.include({
      http: 401,
      status: "UNAUTHENTICATED",
    });
    expect(await errorOf(client.models.generateContent({ model: "none", contents }))).to.include({ http: 404, status: "NOT_FOUND" });
    const config = { responseModalities: ["TEXT"] };
    expect(await errorOf(client.models.generateContentStream({ model: models.demo, contents, config }))).to.include({ http: 400 });
  });

  it("throws for too many requests, with the time to wait", async () => {
    house.mock.play([{ expect: { post: "/tasks" }, reply: { status: 429, headers: { "retry-after": "7" }, json: {} } }]);
    const { http, status, details } = await errorOf(client.models.generateContent({ model: "acme/easel", contents: "a cat" }));
    expect([http, status, details[1]?.retryDelay]).to.deep.equal([429, "RESOURCE_EXHAUSTED", "7s"]);
  });

  it("lists and gets models", async () => {
    const names: unknown[] = [];
    for await (const { name } of await client.models.list()) names.push(name);
    expect(names).to.deep.equal(["models/gemini-demo", "models/demo", "models/gemini-easel", "models/acme/easel", "models/acme/brush"]);
    expect(await client.models.get({ model: "acme/easel" })).to.include({ name: "models/acme/easel", displayName: "acme/easel" });
  });
});
