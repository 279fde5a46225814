// Requests that are answered before their picture is there.
import type { ServerResponse } from "node:http";
import { expect } from "chai";
import OpenAI from "openai";
import type { Table } from "../../src/gateway/table.ts";
import { createClientKeys } from "../../src/http/client-keys.ts";
import { createLife } from "../../src/http/life.ts";
import { NotStored } from "../../src/picture/store.ts";
import { errorOf, png, reply, startHouse, until, type House } from "./setup.ts";

interface Shown {
  id: string;
  object: string;
  status: string;
  model: string;
  created_at: number;
  result?: { created: number; data: { url: string }[] };
  error?: { code: string };
}

describe("a request that takes longer than a client waits", () => {
  let house: House;
  let waiting: ServerResponse[] = [];
  const life = createLife();
  before(async () => {
    house = await startHouse((_call, response) => void waiting.push(response), { life });
    const table = house.gateway.table();
    house.gateway.table = (): Table => ({ ...table, answerWithin: 50, repeatWithin: 60_000 });
    house.gateway.keys = createClientKeys([house.key, "sk-other"]);
  });
  after(() => house.close());
  beforeEach(() => {
    waiting = [];
    house.reset();
  });

  const show = (id: string | null, key = house.key) =>
    fetch(`${house.url}/v1/requests/${id}`, { headers: { authorization: `Bearer ${key}` } });
  const shown = async (id: string | null) => (await (await show(id)).json()) as Shown;

  /** A request that has been answered with a 504. */
  async function slow(body: object): Promise<string> {
    const response = await house.generate({ model: "demo", ...body });
    const id = String(response.headers.get("x-request-id"));
    const { message } = await errorOf(response, 504, "upstream_timeout");
    expect(message).to.contain(`GET /v1/requests/${id}`);
    expect(response.headers.get("x-should-retry")).to.equal("false");
    return id;
  }

  it("is answered with a 504, goes on, and its picture is stored and fetched by the request's id", async () => {
    const id = await slow({ prompt: "slow 1" });
    const before = await show(id);
    expect(before.headers.get("retry-after")).to.equal("5");
    expect(before.headers.get("cache-control")).to.equal("no-store");
    expect(await before.json()).to.include({ id, object: "request", status: "in_progress", model: "demo" });
    for (const response of waiting) reply(response, { created: 7, data: [{ b64_json: png.toString("base64") }] });
    await until(async () => (await shown(id)).status === "completed");
    const { result } = await shown(id);
    expect(result?.created).to.equal(7);
    const [picture] = result?.data ?? [];
    expect(picture?.url).to.match(/^http:\/\/127\.0\.0\.1:\d+\/images\//);
    expect(Buffer.from(await (await fetch(String(picture?.url))).arrayBuffer()).equals(png)).to.equal(true);
    expect(waiting.length).to.equal(1);
    // The operator counts it among the others, and is told who made it.
    const { values } = await house.gateway.metrics.pictures.get();
    expect(values.map(({ labels, value }) => [labels.channel, labels.model, value])).to.deep.equal([["acme", "demo", 1]]);
    expect(house.log.find(({ msg }) => /came after/.test(String(msg)))).to.include({ channel: "acme", attempts: "acme ok" });
  });

  it("has its small picture in the answer itself where it cannot be stored", async () => {
    const { store } = house.gateway;
    house.gateway.store = { ...store, save: () => Promise.reject(new NotStored("full")) };
    const id = await slow({ prompt: "slow 9" });
    for (const response of waiting) reply(response, { created: 7, data: [{ b64_json: png.toString("base64") }] });
    await until(async () => (await shown(id)).status !== "in_progress");
    house.gateway.store = store;
    const { result } = (await shown(id)) as { result?: { data: unknown; metadata?: unknown } };
    expect(result?.data).to.deep.equal([{ b64_json: png.toString("base64") }]);
    expect(JSON.stringify(result?.metadata)).to.contain("the picture could not be stored");
  });

  it("has its picture stored where the provider gave a URL", async () => {
    const id = await slow({ prompt: "slow 2", response_format: "url" });
    for (const response of waiting) reply(response, { created: 7, data: [{ url: `${house.provider.url}/cat.png` }] });
    await until(async () => (await shown(id)).status === "completed");
    const [picture] = (await shown(id)).result?.data ?? [];
    expect(picture?.url).to.match(new RegExp(`^${house.url}/images/`));
  });

  it("tells its client how it failed, and no other client that it is there", async () => {
    const id = await slow({ prompt: "slow 3" });
    await errorOf(await show(id, "sk-other"), 404, "not_found");
    for (const response of waiting) reply(response, { error: { message: "out of order" } }, 500);
    await until(async () => (await shown(id)).status === "failed");
    expect((await shown(id)).error).to.include({ code: "upstream_error", message: "out of order" });
    await errorOf(await show("req_none"), 404, "not_found");
  });

  it("is not ordered again by a client that repeats it", async () => {
    const id = await slow({ prompt: "slow 4" });
    const { message } = await errorOf(await house.generate({ model: "demo", prompt: "slow 4" }), 504, "upstream_timeout");
    expect(message).to.contain(`GET /v1/requests/${id}`);
    expect(waiting.length).to.equal(1);
    for (const response of waiting) reply(response, { data: [{ url: `${house.provider.url}/cat.png` }] });
    await until(async () => (await shown(id)).status === "completed");
  });

  it("is answered before its client gives up, where the client says when that is", async () => {
    const table = house.gateway.table();
    house.gateway.table = () => ({ ...table, answerWithin: 60_000 });
    try {
      const bodies = ["x-stainless-timeout", "x-stainless-read-timeout"].map(async (header) => {
        const response = await house.generate({ model: "demo", prompt: header }, { headers: { [header]: "0.1" } });
        return [response.headers.get("x-request-id"), (await errorOf(response, 504, "upstream_timeout")).message] as const;
      });
      for (const [id, message] of await Promise.all(bodies)) {
        expect(message).to.contain(`GET /v1/requests/${id}`);
        expect((await shown(id)).status).to.equal("in_progress");
      }
      expect(waiting.length).to.equal(2);
    } finally {
      house.gateway.table = () => table;
      for (const response of waiting) reply(response, { data: [{ url: `${house.provider.url}/cat.png` }] });
    }
  });

  it("is one order of an SDK that has a time limit and sends it again", async () => {
    const table = house.gateway.table();
    house.gateway.table = () => ({ ...table, answerWithin: 60_000 });
    try {
      const client = (timeout?: number) => new OpenAI({ baseURL: `${house.url}/v1`, apiKey: house.key, timeout });
      const failed = (reason: unknown) => reason;
      const [told, untold] = await Promise.all([
        client().images.generate({ model: "demo", prompt: "slow 6" }, { timeout: 2000 }).catch(failed),
        // The SDK tells a limit of the request alone, and none of its own.
        client(500).images.generate({ model: "demo", prompt: "slow 7" }).catch(failed),
      ]);
      expect(told).to.be.instanceOf(OpenAI.APIError).and.to.include({ status: 504, code: "upstream_timeout" });
      expect(untold).to.be.instanceOf(OpenAI.APIError).and.to.include({ status: 502, code: "upstream_error" });
      expect(waiting.length).to.equal(2);
    } finally {
      house.gateway.table = () => table;
      for (const response of waiting) reply(response, { data: [{ url: `${house.provider.url}/cat.png` }] });
    }
  });

  it("counts as under way until it has ended, and ends with the process", async () => {
    const id = await slow({ prompt: "slow 5" });
    let idle = false;
    const ended = life.idle().then(() => (idle = true));
    await house.generate({ model: "nothing" });
    expect(idle).to.equal(false);
    life.cut();
    await ended;
    expect(house.gateway.routing.late.find(id, "key-1")?.error).to.include({ code: "shutting_down" });
    await until(() => waiting.every(({ closed }) => closed));
  });
});
