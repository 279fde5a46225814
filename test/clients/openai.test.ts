import { expect } from "chai";
import {
  APIConnectionTimeoutError,
  APIError,
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
  type OpenAI,
} from "openai";
import { solidPng } from "../../src/picture/png.ts";
import { openaiAt, pixelsOf, startShipped } from "./setup.ts";

describe("client: openai", () => {
  let house: Awaited<ReturnType<typeof startShipped>>;
  let client: OpenAI;
  before(async () => {
    house = await startShipped();
    client = house.openai;
  });
  after(() => house.close());

  /** The error of a call that must fail, which must be of this class. */
  async function failure<T extends APIError>(call: Promise<unknown>, kind: new (...parts: never[]) => T): Promise<T> {
    const error: unknown = await call.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(kind);
    return error as T;
  }

  it("gets pictures as base64", async () => {
    const { data = [], created } = await client.images.generate({
      model: "demo",
      prompt: "a cat",
      n: 2,
      size: "256x256",
      response_format: "b64_json",
    });
    expect(created).to.be.closeTo(Date.now() / 1000, 10);
    expect(data.map(({ b64_json }) => pixelsOf(Buffer.from(b64_json!, "base64")))).to.deep.equal(["256x256", "256x256"]);
    expect(data[0]!.b64_json).not.to.equal(data[1]!.b64_json);
  });

  it("gets pictures as URLs that can be fetched", async () => {
    const { data = [] } = await client.images.generate({ model: "demo", prompt: "a cat", size: "512x512", response_format: "url" });
    const response = await fetch(data[0]!.url!);
    expect(response.headers.get("content-type")).to.equal("image/png");
    expect(pixelsOf(new Uint8Array(await response.arrayBuffer()))).to.equal("512x512");
  });

  it("sees the headers and the request's id", async () => {
    const { data, response, request_id } = await client.images.generate({ model: "demo", prompt: "a cat", size: "256x256" }).withResponse();
    expect(request_id).to.match(/^req_/);
    expect(response.headers.get("x-pictor-channel")).to.equal("demo");
    expect((data as { _request_id?: string })._request_id).to.equal(request_id);
  });

  it("asks gpt-image-1 and gets what it said", async () => {
    const b64_json = solidPng(1024, 1024).toString("base64");
    const usage = { total_tokens: 100, input_tokens: 50, output_tokens: 50, input_tokens_details: { text_tokens: 10, image_tokens: 40 } };
    house.mock.play([
      {
        expect: {
          post: "/images/generations",
          headers: { authorization: "Bearer sk-upstream" },
          json: {
            model: "gpt-image-1",
            prompt: "a cat",
            n: 1,
            size: "1024x1024",
            quality: "high",
            background: "transparent",
            output_format: "png",
            moderation: "low",
          },
        },
        reply: {
          json: {
            created: 1713833628,
            background: "transparent",
            output_format: "png",
            quality: "high",
            size: "1024x1024",
            data: [{ b64_json }],
            usage,
          },
        },
      },
    ]);
    const answer = await client.images.generate({
      model: "gpt-image-1",
      prompt: "a cat",
      size: "1024x1024",
      quality: "high",
      background: "transparent",
      output_format: "png",
      moderation: "low",
    });
    expect(house.mock.complaints()).to.deep.equal([]);
    expect(answer).to.deep.include({ created: 1713833628, data: [{ b64_json }], usage, quality: "high", background: "transparent" });
  });

  it("iterates the events of the demo model, which shows its pictures unfinished", async () => {
    const stream = await client.images.generate({
      model: "demo",
      prompt: "a cat",
      size: "256x256",
      stream: true,
      partial_images: 2,
    });
    const events: [string, number | undefined, string][] = [];
    for await (const event of stream)
      events.push([
        event.type,
        "partial_image_index" in event ? event.partial_image_index : undefined,
        pixelsOf(Buffer.from(event.b64_json, "base64")),
      ]);
    expect(events).to.deep.equal([
      ["image_generation.partial_image", 0, "256x256"],
      ["image_generation.partial_image", 1, "256x256"],
      ["image_generation.completed", undefined, "256x256"],
    ]);
  });

  it("gets the pictures of a provider without streams as events", async () => {
    const b64_json = solidPng(1024, 1024).toString("base64");
    house.mock.play([{ expect: { post: "/images/generations" }, reply: { json: { created: 7, data: [{ b64_json }] } } }]);
    const stream = await client.images.generate({ model: "dall-e-3", prompt: "a cat", stream: true });
    const events = [];
    for await (const event of stream) events.push(event);
    expect(events).to.deep.equal([
      {
        type: "image_generation.completed",
        created_at: 7,
        size: "1024x1024",
        quality: "standard",
        background: "auto",
        output_format: "png",
        b64_json,
      },
    ]);
  });

  it("throws an error that comes in a stream, and one that comes before it", async () => {
    const stream = { model: "gpt-image-1", prompt: "a cat", stream: true } as const;
    const partial = { type: "image_generation.partial_image", b64_json: solidPng(8, 8).toString("base64"), partial_image_index: 0 };
    const error = { type: "error", error: { code: "moderation_blocked", message: "no, thanks" } };
    house.mock.play([{ expect: { post: "/images/generations" }, reply: { sse: [{ data: partial }, { data: error }] } }]);
    const types: string[] = [];
    const iterate = async () => {
      for await (const { type } of await client.images.generate(stream)) types.push(type);
    };
    expect((await failure(iterate(), APIError)).code).to.equal("content_policy_violation");
    expect(types).to.deep.equal(["image_generation.partial_image"]);
    house.mock.play([{ expect: { post: "/images/generations" }, reply: { sse: [{ data: error }] } }]);
    expect(await failure(iterate(), BadRequestError)).to.include({ code: "content_policy_violation" });
  });

  it("lists and retrieves models, also those with a slash", async () => {
    const ids: string[] = [];
    for await (const { id, object } of client.models.list()) {
      expect(object).to.equal("model");
      ids.push(id);
    }
    expect(ids).to.include.members(["demo", "gpt-image-1", "dall-e-3"]);
    expect((await client.models.retrieve("gpt-image-1")).owned_by).to.equal("openai");
    expect((await failure(client.models.retrieve("acme/none"), NotFoundError)).code).to.equal("model_not_found");
  });

  it("throws a BadRequestError with param, code and type", async () => {
    const call = client.images.generate({ model: "dall-e-2", prompt: "a cat", size: "1792x1024" });
    const { status, param, code, type, requestID, message } = await failure(call, BadRequestError);
    expect({ status, param, code, type }).to.deep.equal({
      status: 400,
      param: "size",
      code: "invalid_value",
      type: "invalid_request_error",
    });
    expect(message).to.include("256x256");
    expect(requestID).to.match(/^req_/);
  });

  it("throws a BadRequestError for a refusal", async () => {
    const { code } = await failure(client.images.generate({ model: "demo", prompt: "something forbidden" }), BadRequestError);
    expect(code).to.equal("content_policy_violation");
  });

  it("throws an AuthenticationError", async () => {
    const stranger = openaiAt({ url: house.url, key: "sk-wrong" });
    expect((await failure(stranger.models.list(), AuthenticationError)).code).to.equal("invalid_api_key");
  });

  it("throws a NotFoundError for an unknown model", async () => {
    const { code, param } = await failure(client.images.generate({ model: "dall-e-9", prompt: "a cat" }), NotFoundError);
    expect({ code, param }).to.deep.equal({ code: "model_not_found", param: "model" });
  });

  it("throws a RateLimitError that says how long to wait", async () => {
    // A model of its own: the provider said how long this one rests.
    house.mock.play([
      {
        expect: { post: "/images/generations" },
        reply: { status: 429, headers: { "retry-after": "7" }, json: { error: { message: "slow down", code: "rate_limit_exceeded" } } },
      },
    ]);
    const { headers, code, type } = await failure(client.images.generate({ model: "dall-e-2", prompt: "a cat" }), RateLimitError);
    expect(headers.get("retry-after")).to.equal("7");
    expect({ code, type }).to.deep.equal({ code: "rate_limit_exceeded", type: "rate_limit_error" });
  });

  it("tries again by itself after a failure that made nothing", async () => {
    const patient = client.withOptions({ maxRetries: 1 });
    const exchange = { expect: { post: "/images/generations" } };
    house.mock.play([
      { ...exchange, reply: { status: 425, json: { error: { message: "too early" } } } },
      { ...exchange, reply: { json: { created: 1, data: [{ url: "https://pictures.example/1.png", revised_prompt: "a fluffy cat" }] } } },
    ]);
    const { data } = await patient.images.generate({ model: "dall-e-3", prompt: "a cat", response_format: "url" });
    expect(data).to.deep.equal([{ url: "https://pictures.example/1.png", revised_prompt: "a fluffy cat" }]);
    expect(house.mock.complaints()).to.deep.equal([]);
  });

  it("throws an InternalServerError where the provider refused the gateway's own key", async () => {
    house.mock.play([
      { expect: { post: "/images/generations" }, reply: { status: 401, json: { error: { message: "bad key sk-upstream" } } } },
    ]);
    const error = await failure(client.images.generate({ model: "dall-e-3", prompt: "a cat" }), InternalServerError);
    expect({ status: error.status, code: error.code }).to.deep.equal({ status: 502, code: "upstream_error" });
    expect(error.message).not.to.include("sk-upstream");
  });

  it("says what is not there: variations", async () => {
    const image = new File([solidPng(64, 64)], "cat.png", { type: "image/png" });
    expect((await failure(client.images.createVariation({ image, model: "dall-e-2" }), APIError)).code).to.equal("api_not_implemented");
  });

  it("may give up or be told to, and the gateway lives on", async () => {
    const slow = { model: "demo", prompt: "a cat", size: "4096x4096" as "1024x1024", n: 10 };
    await failure(client.images.generate(slow, { timeout: 50 }), APIConnectionTimeoutError);
    const stop = new AbortController();
    const call = client.images.generate(slow, { signal: stop.signal });
    setTimeout(() => stop.abort(), 50);
    await failure(call, APIUserAbortError);
    expect((await client.models.retrieve("demo")).id).to.equal("demo");
  });
});
