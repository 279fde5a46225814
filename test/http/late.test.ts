// Requests that are answered before their picture is there.
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import OpenAI from "openai";
import { createLife } from "../../src/http/life.ts";
import { startLateHouse, type LateHouse } from "./late-house.ts";
import { dial, errorOf, png, reply, until, wire } from "./setup.ts";

describe("a request that takes longer than a client waits", () => {
  const life = createLife();
  let house: LateHouse;
  before(async () => (house = await startLateHouse({ life })));
  after(() => house.close());
  beforeEach(() => house.reset());

  it("is answered with a 504, goes on, and its picture is stored and fetched by the request's id", async () => {
    const id = await house.slow({ prompt: "slow 1" });
    const before = await house.show(id);
    expect(before.headers.get("retry-after")).to.equal("5");
    expect(before.headers.get("cache-control")).to.equal("no-store");
    expect(await before.json()).to.include({ id, object: "request", status: "in_progress", model: "demo" });
    for (const response of house.waiting) reply(response, { created: 7, data: [{ b64_json: png.toString("base64") }] });
    await until(async () => (await house.shown(id)).status === "completed");
    const { result } = await house.shown(id);
    expect(result?.created).to.equal(7);
    const [picture] = result?.data ?? [];
    expect(picture?.url).to.match(/^http:\/\/127\.0\.0\.1:\d+\/images\//);
    expect(Buffer.from(await (await fetch(String(picture?.url))).arrayBuffer()).equals(png)).to.equal(true);
    expect(house.waiting.length).to.equal(1);
    // The operator counts it among the others, and is told who made it.
    const { values } = await house.gateway.metrics.pictures.get();
    expect(values.map(({ labels, value }) => [labels.channel, labels.model, value])).to.deep.equal([["acme", "demo", 1]]);
    expect(house.log.find(({ msg }) => /came after/.test(String(msg)))).to.include({ channel: "acme", attempts: "acme ok" });
  });

  it("tells the operator of an error only where it fails in the end", async () => {
    const id = await house.slow({ prompt: "slow 13" });
    await until(() => house.log.some(({ msg }) => msg === "request"));
    expect(house.log.filter(({ level }) => Number(level) >= 50)).to.deep.equal([]);
    for (const response of house.waiting) reply(response, { error: { message: "out of order" } }, 500);
    await until(async () => (await house.shown(id)).status === "failed");
    expect(house.log.filter(({ level }) => Number(level) >= 50).map(({ msg }) => msg)).to.deep.equal([
      "a request failed after it had been answered with a 504",
    ]);
  });

  it("is ordered again by a client that repeats it once it is known that nothing was made", async () => {
    const id = await house.slow({ prompt: "slow 14" });
    await errorOf(await house.generate({ model: "demo", prompt: "slow 14" }), 504, "upstream_timeout");
    for (const response of house.waiting.splice(0)) reply(response, { error: { message: "wrong size" } }, 400);
    await until(async () => (await house.shown(id)).status === "failed");
    await house.slow({ prompt: "slow 14" });
    // A failure that proves nothing stays what it was.
    for (const response of house.waiting.splice(0)) reply(response, { error: { message: "out of order" } }, 500);
    await until(() => house.log.filter(({ msg }) => /failed after/.test(String(msg))).length === 2);
    await errorOf(await house.generate({ model: "demo", prompt: "slow 14" }), 504, "upstream_timeout");
    expect(house.waiting).to.deep.equal([]);
  });

  it("has had less time where its body came slowly", async () => {
    const table = house.gateway.table();
    house.gateway.table = () => ({ ...table, answerWithin: 500 });
    try {
      const body = JSON.stringify({ model: "demo", prompt: "slow 15" });
      const socket = await dial(house.url);
      const whole = wire("/v1/images/generations", house.key, body);
      socket.write(whole.slice(0, -5));
      await delay(600);
      socket.write(whole.slice(-5));
      await until(() => house.waiting.length === 1);
      // Soon enough for a request whose time begins only now.
      const answered = once(socket, "data");
      await delay(100);
      for (const response of house.waiting) reply(response, { created: 7, data: [{ b64_json: png.toString("base64") }] });
      expect(String(await answered)).to.match(/^HTTP\/1\.1 504 /);
      socket.destroy();
    } finally {
      house.gateway.table = () => table;
    }
  });

  it("tells its client how it failed, and no other client that it is there", async () => {
    const id = await house.slow({ prompt: "slow 3" });
    await errorOf(await house.show(id, "sk-other"), 404, "not_found");
    for (const response of house.waiting) reply(response, { error: { message: "out of order" } }, 500);
    await until(async () => (await house.shown(id)).status === "failed");
    expect((await house.shown(id)).error).to.include({ code: "upstream_error", message: "out of order" });
    await errorOf(await house.show("req_none"), 404, "not_found");
  });

  it("is not ordered again by a client that repeats it", async () => {
    const id = await house.slow({ prompt: "slow 4" });
    const { message } = await errorOf(await house.generate({ model: "demo", prompt: "slow 4" }), 504, "upstream_timeout");
    expect(message).to.contain(`GET /v1/requests/${id}`);
    expect(house.waiting.length).to.equal(1);
    for (const response of house.waiting) reply(response, { data: [{ url: `${house.provider.url}/cat.png` }] });
    await until(async () => (await house.shown(id)).status === "completed");
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
        expect((await house.shown(id)).status).to.equal("in_progress");
      }
      expect(house.waiting.length).to.equal(2);
    } finally {
      house.gateway.table = () => table;
      for (const response of house.waiting) reply(response, { data: [{ url: `${house.provider.url}/cat.png` }] });
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
      // Each time that it asks again it waits for the same order.
      expect(untold).to.be.instanceOf(OpenAI.APIConnectionTimeoutError);
      expect(house.waiting.length).to.equal(2);
    } finally {
      house.gateway.table = () => table;
      for (const response of house.waiting) reply(response, { data: [{ url: `${house.provider.url}/cat.png` }] });
    }
  });

  it("counts as under way until it has ended, and ends with the process", async () => {
    const id = await house.slow({ prompt: "slow 5" });
    let idle = false;
    const ended = life.idle().then(() => (idle = true));
    await house.generate({ model: "nothing" });
    expect(idle).to.equal(false);
    life.cut();
    await ended;
    expect((await house.ended(id)).error).to.include({ code: "shutting_down" });
    await until(() => house.waiting.every(({ closed }) => closed));
  });
});
