import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import OpenAI, { APIError, AuthenticationError, BadRequestError, NotFoundError, RateLimitError } from "openai";
import { loadDoors } from "../../src/door/load.ts";
import { solidPng } from "../../src/picture/png.ts";
import { openDoors } from "../doors/house.ts";
import { startDurableHouse } from "../http/durable-house.ts";
import { png, reply } from "../http/setup.ts";
import { drawn, models, startDoors, task } from "./door-house.ts";
import { openaiAt, pixelsOf } from "./setup.ts";

/** What OpenAI's types do not know: pictures, and how they are wanted. */
interface Pictured {
  content: string | null;
  images: { image_url: { url: string } }[];
}
type Body = OpenAI.ChatCompletionCreateParamsNonStreaming;
const wanted = { modalities: ["image", "text"] } as unknown as Pick<Body, "modalities">;
const said = (content: Body["messages"][number]["content"]) => [{ role: "user", content }] as Body["messages"];

describe("client: openai, chat completions", () => {
  let house: Awaited<ReturnType<typeof startDoors>>;
  let client: OpenAI;
  const cat = solidPng(320, 320);
  const catPart = { type: "image_url" as const, image_url: { url: `data:image/png;base64,${cat.toString("base64")}` } };
  before(async () => {
    house = await startDoors();
    client = openaiAt(house);
  });
  after(() => house.close());
  afterEach(() => expect(house.mock.complaints()).to.deep.equal([]));

  const messageOf = ({ choices }: OpenAI.ChatCompletion) => choices[0]?.message as unknown as Pictured;
  const sizesOf = ({ images }: Pictured) =>
    images.map(({ image_url: { url } }) => pixelsOf(Buffer.from(url.split(",")[1] ?? "", "base64")));
  const failure = async (call: Promise<unknown>, kind: new (...parts: never[]) => APIError): Promise<APIError> => {
    const error: unknown = await call.catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(kind);
    return error as APIError;
  };

  it("draws at once, several pictures of a size", async () => {
    const body = { model: "demo", messages: said("a cat"), n: 2, ...wanted, image_config: { aspect_ratio: "16:9" } };
    const { data, response } = await client.chat.completions.create(body).withResponse();
    expect(sizesOf(messageOf(data))).to.deep.equal(["1920x1080", "1920x1080"]);
    expect(data.choices[0]).to.include({ finish_reason: "stop" });
    expect(data.usage).to.include({ total_tokens: 0 });
    expect(response.headers.get("x-pictor-channel")).to.equal("demo");
  });

  it("draws by a task, with all that it says of the picture", async () => {
    house.mock.play(task({ words: "a cat", ratio: "16:9", tier: "2K" }));
    const body = { model: "acme/easel", messages: said("a cat"), ...wanted, temperature: 0.5 };
    const picture = { image_config: { aspect_ratio: "16:9", image_size: "2K" } };
    const { data, response } = await client.chat.completions.create({ ...body, ...picture }).withResponse();
    expect(messageOf(data)).to.deep.include({ role: "assistant", content: "" });
    expect(sizesOf(messageOf(data))).to.deep.equal(["64x36"]);
    expect(data.usage).to.include({ total_tokens: 12 });
    expect(response.headers.get("x-pictor-changes")).to.equal("temperature dropped");
  });

  it("gets markdown whose URL can be fetched, where it asks for no pictures", async () => {
    const { content, images } = messageOf(await client.chat.completions.create({ model: "demo", messages: said("a cat") }));
    const url = /^!\[image\]\((http\S+)\)$/.exec(content ?? "")?.[1] ?? "";
    expect(images.map(({ image_url }) => image_url.url)).to.deep.equal([url]);
    expect(pixelsOf(new Uint8Array(await (await fetch(url)).arrayBuffer()))).to.equal("1024x1024");
  });

  it("edits, and changes what was drawn before", async () => {
    const messages = said([catPart, { type: "text", text: "at night" }]);
    expect(sizesOf(messageOf(await client.chat.completions.create({ model: "demo", messages, ...wanted })))).to.deep.equal(["1024x1024"]);
    house.mock.play(task({ words: "at night", pictures: [cat.toString("base64")] }));
    const first = await client.chat.completions.create({ model: models.tasks, messages, ...wanted });
    house.mock.play(task({ words: "make it blue", pictures: [drawn.toString("base64")] }));
    const more = [...messages, messageOf(first), ...said("make it blue")] as Body["messages"];
    expect(sizesOf(messageOf(await client.chat.completions.create({ model: models.tasks, messages: more, ...wanted })))).to.deep.equal([
      "64x36",
    ]);
  });

  it("changes the picture of the last answer by its URL, which is one of this gateway's", async () => {
    const first = messageOf(await client.chat.completions.create({ model: "demo", messages: said("a cat") }));
    expect(first.content).to.include("](http://127.0.0.1:");
    const messages = [...said("a cat"), { role: "assistant", content: first.content }, ...said("at night")] as Body["messages"];
    const { content } = messageOf(await client.chat.completions.create({ model: "demo", messages }));
    expect(content)
      .to.match(/^!\[image\]\(http/)
      .and.not.to.equal(first.content);
    const lost = first.content?.replace(/[^/]{32}\)$/, `${"lost".repeat(8)})`);
    const later = [...said("a cat"), { role: "assistant", content: lost }, ...said("at night")] as Body["messages"];
    const { param, message } = await failure(client.chat.completions.create({ model: "demo", messages: later }), BadRequestError);
    expect(param).to.equal("images[0]");
    expect(message).to.include("no longer kept here");
  });

  it("gets a stream, with signs of life while the task goes on", async () => {
    for (const model of ["demo", "acme/easel"]) {
      house.mock.play(model === "demo" ? [] : task({ words: "a cat" }));
      const stream = await client.chat.completions.create({ model, messages: said("a cat"), ...wanted, stream: true });
      const deltas: Partial<Pictured & { role: string }>[] = [];
      const ends: unknown[] = [];
      for await (const { choices, usage } of stream) {
        deltas.push(choices[0]?.delta as unknown as Pictured);
        ends.push(choices[0]?.finish_reason, usage?.total_tokens);
      }
      expect(deltas[0]).to.deep.equal({ role: "assistant", content: "" });
      expect(deltas.flatMap(({ images = [] }) => sizesOf({ content: "", images }))).to.deep.equal([
        model === "demo" ? "1024x1024" : "64x36",
      ]);
      expect(ends.slice(-2)).to.deep.equal(["stop", model === "demo" ? 0 : 12]);
    }
  });

  it("throws for a refusal, also within a stream", async () => {
    const forbidden = { model: "demo", messages: said("something forbidden") };
    expect((await failure(client.chat.completions.create(forbidden), BadRequestError)).code).to.equal("content_policy_violation");
    house.mock.play(task({ words: "a cat" }, { state: "refused", why: "no cats here" }));
    const read = async () => {
      const stream = await client.chat.completions.create({ model: "acme/easel", messages: said("a cat"), stream: true });
      for await (const { choices } of stream) expect(choices).to.deep.equal([]);
    };
    const { code, message } = await failure(read(), APIError);
    expect(code).to.equal("content_policy_violation");
    expect(message).to.include("no cats here");
  });

  it("throws an error that says which sizes there are", async () => {
    for (const model of ["demo", "acme/easel"]) {
      const body = { model, messages: said("a cat"), image_config: { aspect_ratio: "7:3" } };
      const { param, message } = await failure(client.chat.completions.create(body), BadRequestError);
      expect(param).to.equal("size");
      expect(message).to.include("7:3");
    }
  });

  it("throws for a wrong key, an unknown model and tools", async () => {
    const messages = said("a cat");
    const stranger = openaiAt({ url: house.url, key: "sk-wrong" });
    expect((await failure(stranger.chat.completions.create({ model: "demo", messages }), AuthenticationError)).code).to.equal(
      "invalid_api_key",
    );
    expect((await failure(client.chat.completions.create({ model: "none", messages }), NotFoundError)).code).to.equal("model_not_found");
    const tools = [{ type: "function" as const, function: { name: "draw" } }];
    expect((await failure(client.chat.completions.create({ model: "demo", messages, tools }), BadRequestError)).param).to.equal("tools");
  });

  it("throws for too many requests, with the time to wait", async () => {
    house.mock.play([{ expect: { post: "/tasks" }, reply: { status: 429, headers: { "retry-after": "7" }, json: {} } }]);
    const { headers, code } = await failure(
      client.chat.completions.create({ model: "acme/easel", messages: said("a cat") }),
      RateLimitError,
    );
    expect([code, headers?.get("retry-after")]).to.deep.equal(["rate_limit_exceeded", "7"]);
  });

  it("still lists the models", async () => {
    const ids: string[] = [];
    for await (const { id } of client.models.list()) ids.push(id);
    expect(ids).to.include.members(["demo", "acme/easel"]);
  });

  it("orders one picture where it loses patience and asks again", async () => {
    const patient = await startDurableHouse();
    try {
      const { doors } = await loadDoors({ folder: "channels" });
      openDoors(patient.gateway, doors);
      patient.handler = async (_, response) => {
        await delay(500);
        reply(response, { data: [{ b64_json: png.toString("base64") }] });
      };
      const impatient = openaiAt(patient).withOptions({ maxRetries: 1, timeout: 400 });
      const answer = await impatient.chat.completions.create({ model: "demo", messages: said("a cat"), ...wanted });
      expect(messageOf(answer).images).to.have.length(1);
      expect(patient.orders()).to.equal(1);
    } finally {
      await patient.close();
    }
  });
});
