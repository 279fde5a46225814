// Clients with their default retries, whose connection breaks while their picture is made: how often is it ordered?
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { ChatGoogleGenerativeAI } from "@langchain/google-genai";
import { ChatOpenAI } from "@langchain/openai";
import { createOpenRouter } from "@openrouter/ai-sdk-provider";
import { generateText } from "ai";
import { expect } from "chai";
import OpenAI from "openai";
import { loadDoors } from "../../src/door/load.ts";
import { openDoors } from "../doors/house.ts";
import { startDurableHouse, type DurableHouse } from "../http/durable-house.ts";
import { png, reply, until } from "../http/setup.ts";

/** A call of each client at this address; `headers` are of this call. */
const clients: Record<string, (at: { url: string; key: string }, content: string, headers: Record<string, string>) => Promise<unknown>> = {
  "@ai-sdk/google": ({ url, key }, content, headers) => {
    const model = createGoogleGenerativeAI({ apiKey: key, baseURL: `${url}/v1beta` })("demo");
    return generateText({ model, prompt: content, headers });
  },
  "@langchain/google-genai": ({ url, key }, content, customHeaders) =>
    new ChatGoogleGenerativeAI({ model: "demo", apiKey: key, baseUrl: url, customHeaders }).invoke(content),
  "@openrouter/ai-sdk-provider": ({ url, key }, content, headers) => {
    const model = createOpenRouter({ apiKey: key, baseURL: `${url}/v1` }).chat("demo");
    return generateText({ model, prompt: content, headers });
  },
  "LangChain's ChatOpenAI": ({ url, key }, content, headers) =>
    new ChatOpenAI({ model: "demo", apiKey: key, configuration: { baseURL: `${url}/v1` } }).invoke(content, { options: { headers } }),
  openai: ({ url, key }, content, headers) =>
    new OpenAI({ apiKey: key, baseURL: `${url}/v1` }).chat.completions.create(
      { model: "demo", messages: [{ role: "user", content }] },
      { headers },
    ),
};

/** A way to the gateway that can be cut. */
async function startWay(gateway: string): Promise<{ url: string; cut: () => void; close: () => void }> {
  const connections = new Set<Socket>();
  const server = createServer((client) => {
    const behind = connect(Number(new URL(gateway).port), "127.0.0.1");
    client.on("error", () => undefined).on("close", () => behind.destroy());
    behind.on("error", () => undefined).on("close", () => client.destroy());
    client.pipe(behind).pipe(client);
    connections.add(client);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    for (const connection of connections) connection.resetAndDestroy();
    connections.clear();
  };
  const close = () => {
    for (const connection of connections) connection.destroy();
    server.close();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, cut, close };
}

describe("clients with their default retries whose connection breaks after their order", () => {
  const rows = Object.keys(clients).flatMap((client) => [
    { client, prompt: `a cat for ${client}` },
    { client, prompt: `a cat for ${client}, once`, key: `the key of ${client}` },
  ]);
  const orders = new Map<string, number>();
  let house: DurableHouse;
  before(async () => {
    house = await startDurableHouse();
    openDoors(house.gateway, (await loadDoors({ folder: "channels" })).doors);
    house.handler = async ({ body }, response) => {
      const { prompt } = JSON.parse(body) as { prompt: string };
      orders.set(prompt, (orders.get(prompt) ?? 0) + 1);
      await delay(500);
      reply(response, { data: [{ b64_json: png.toString("base64") }] });
    };
    // All at once: most of the time is the clients' pauses.
    await Promise.all(
      rows.map(async ({ client, prompt, key }) => {
        const way = await startWay(house.url);
        const call = clients[client]!({ url: way.url, key: house.key }, prompt, key === undefined ? {} : { "idempotency-key": key });
        await until(() => orders.has(prompt));
        way.cut();
        await call;
        way.close();
      }),
    );
  });
  after(() => house.close());

  for (const { client, prompt, key } of rows) {
    const [expected, why] =
      key !== undefined
        ? [1, "one order with an Idempotency-Key"]
        : client === "openai"
          ? [1, "one order, for it counts its retries"]
          : [2, "two orders, for nothing says that it asks again"];
    it(`${client}: ${why}`, () => {
      expect(orders.get(prompt)).to.equal(expected);
    });
  }
});
