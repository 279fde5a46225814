// Clients with their default retries before providers that fail: how often is one picture ordered?
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { ChatGoogleGenerativeAI } from "@langchain/google-genai";
import { ChatOpenAI, DallEAPIWrapper } from "@langchain/openai";
import { createOpenRouter } from "@openrouter/ai-sdk-provider";
import { generateImage, generateText, type ImageModel, type LanguageModel } from "ai";
import { expect } from "chai";
import OpenAI from "openai";
import { loadDoors } from "../../src/door/load.ts";
import { solidPng } from "../../src/picture/png.ts";
import { openFolderStore } from "../../src/picture/folder-store.ts";
import type { TestGateway } from "../../src/testing/gateway.ts";
import { gatewayWith } from "../helpers/channels.ts";
import { httpProvider, type Provider } from "../helpers/provider.ts";
import { openDoors } from "../doors/house.ts";

/** The beginning of an answer whose picture has begun to arrive, and does not end. */
const begun = `{"data":[{"b64_json":"${Buffer.concat([solidPng(256, 256), Buffer.alloc(200_000)]).toString("base64")}`;
const b64_json = solidPng(256, 256).toString("base64");

const status =
  (code: number, headers: Record<string, string> = {}) =>
  (response: ServerResponse) =>
    response.writeHead(code, { "content-type": "application/json", ...headers }).end('{"error":{"message":"out of order"}}');
const saying = (json: unknown) => (response: ServerResponse) =>
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(json));

/** What the provider does with an order, and how many orders one call of a client comes to. */
const rows: Record<string, { answer: (response: ServerResponse) => unknown; orders: number; format?: "url" }> = {
  // A picture may have been made: it is ordered once.
  "500": { answer: status(500), orders: 1 },
  "502": { answer: status(502), orders: 1 },
  "504": { answer: status(504), orders: 1 },
  "520": { answer: status(520), orders: 1 },
  "524": { answer: status(524), orders: 1 },
  "200 without pictures": { answer: saying({ data: [] }), orders: 1 },
  "an answer that is cut": {
    answer: (response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": "1000" }).write('{"data":[');
      setTimeout(() => response.destroy(), 20);
    },
    orders: 1,
  },
  "a picture that is cut": {
    answer: (response) => {
      response.writeHead(200, { "content-type": "application/json" }).write(begun);
      setTimeout(() => response.destroy(), 50);
    },
    orders: 1,
  },
  "a reset": { answer: (response) => response.socket?.resetAndDestroy(), orders: 1 },
  "a provider that hangs": { answer: () => undefined, orders: 1 },
  "a disk of ours that is full": { answer: saying({ data: [{ b64_json }] }), orders: 1, format: "url" },
  // Nothing was made, and the client is told to try again: once, and two retries.
  "503": { answer: status(503, { "retry-after": "1" }), orders: 3 },
  "529": { answer: status(529, { "retry-after": "1" }), orders: 3 },
};

type Draw = (gateway: TestGateway, model: string, format: "url" | "b64_json") => Promise<unknown>;

const withAi =
  (modelOf: (gateway: TestGateway, id: string) => ImageModel): Draw =>
  (gateway, model) =>
    generateImage({ model: modelOf(gateway, model), prompt: "a cat" });

const chatting =
  (modelOf: (gateway: TestGateway, id: string) => LanguageModel): Draw =>
  (gateway, model) =>
    generateText({ model: modelOf(gateway, model), prompt: "a cat" });

/** LangChain's own retries are six and take two minutes; `test/gateway/uncertain.test.ts` has their times. */
const fewer = { maxRetries: 2 };

/** Each as its documentation has it, with no setting but where the gateway is, and fewer retries where they would take minutes. */
const clients: Record<string, Draw> = {
  openai: ({ url, key }, model, response_format) =>
    new OpenAI({ baseURL: `${url}/v1`, apiKey: key }).images.generate({ model, prompt: "a cat", response_format }),
  "@ai-sdk/openai": withAi(({ url, key }, id) => createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).image(id)),
  "@ai-sdk/openai-compatible": withAi(({ url, key }, id) =>
    createOpenAICompatible({ name: "pictor", baseURL: `${url}/v1`, apiKey: key }).imageModel(id),
  ),
  LangChain: ({ url, key }, model, dallEResponseFormat) =>
    new DallEAPIWrapper({ baseUrl: `${url}/v1`, apiKey: key, model, dallEResponseFormat }).invoke("a cat"),
  "@ai-sdk/google": chatting(({ url, key }, id) => createGoogleGenerativeAI({ apiKey: key, baseURL: `${url}/v1beta` })(id)),
  "@openrouter/ai-sdk-provider": chatting(({ url, key }, id) =>
    createOpenRouter({ apiKey: key, baseURL: `${url}/v1` }).chat(id, { extraBody: { modalities: ["image", "text"] } }),
  ),
  "@langchain/google-genai": ({ url, key }, model) =>
    new ChatGoogleGenerativeAI({ model, apiKey: key, baseUrl: url, ...fewer }).invoke("a cat"),
  "LangChain's ChatOpenAI": ({ url, key }, model) =>
    new ChatOpenAI({ model, apiKey: key, configuration: { baseURL: `${url}/v1` }, ...fewer }).invoke("a cat"),
};

const modelOf = (row: string, client: string) => `${row} ${client}`.replaceAll(/[^a-z0-9]+/gi, "-");

describe("clients with their default retries", () => {
  const orders = new Map<string, number>();
  const drawn = new Map<string, unknown>();
  let provider: Provider;
  let gateway: TestGateway;
  let data: string;

  before(async () => {
    provider = await httpProvider((request, response) => {
      const [, model = ""] = String(request.url).split("/");
      orders.set(model, (orders.get(model) ?? 0) + 1);
      const row = Object.keys(rows).find((name) => Object.keys(clients).some((client) => modelOf(name, client) === model));
      request.resume().once("end", () => rows[row ?? ""]?.answer(response));
    });
    const channels = Object.keys(rows).flatMap((row) => Object.keys(clients).map((client) => modelOf(row, client)));
    const files = channels.map((model) => [
      `${model}.yaml`,
      `extends: openai-images
base_url: ${provider.url}/${model}
limits: { timeout: 1s }
models: { ${model}: { schema: demo } }
`,
    ]);
    data = await mkdtemp(join(tmpdir(), "pictor-full-"));
    const store = await openFolderStore({ folder: data, life: 3600 });
    // Nothing can be written below a file.
    await rm(data, { recursive: true });
    await writeFile(data, "");
    gateway = await gatewayWith(Object.fromEntries(files) as Record<string, string>, {}, { store });
    const table = gateway.gateway.table();
    const { doors } = await loadDoors({ folder: "channels" });
    gateway.gateway.table = () => ({ ...table, answerWithin: 280_000, repeatWithin: 15_000 });
    openDoors(gateway.gateway, doors);
    // All at once: most of the time is the clients' pauses.
    await Promise.all(
      Object.entries(rows).flatMap(([row, { format = "b64_json" as const }]) =>
        Object.entries(clients).map(([client, draw]) =>
          draw(gateway, modelOf(row, client), format)
            .then((answer) => drawn.set(modelOf(row, client), answer))
            .catch(() => undefined),
        ),
      ),
    );
  });
  after(async () => {
    await gateway.close();
    await provider.close();
    await rm(data, { force: true });
  });

  it("openai before a disk of ours that is full: the picture as base64, and the change told", () => {
    expect(drawn.get(modelOf("a disk of ours that is full", "openai"))).to.deep.include({
      data: [{ b64_json }],
      metadata: {
        pictor: { changes: [{ field: "response_format", what: "the picture could not be stored", from: "url", to: "b64_json" }] },
      },
    });
  });

  for (const client of Object.keys(clients))
    for (const [row, { orders: expected }] of Object.entries(rows))
      it(`${client} before ${row}: ${expected === 1 ? "one order" : `${expected} orders, since nothing was made`}`, () => {
        expect(orders.get(modelOf(row, client))).to.equal(expected);
      });
});
