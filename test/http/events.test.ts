import { EventEmitter, once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { Duplex } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import Koa from "koa";
import pino from "pino";
import { answerEvents } from "../../src/http/events.ts";
import { createLife } from "../../src/http/life.ts";
import { solidPng } from "../../src/picture/png.ts";
import { gatewayWith } from "../helpers/channels.ts";
import { httpProvider } from "../helpers/provider.ts";
import { dial, errorOf, metric, png, reply, startHouse, until, wire, type Call, type House } from "./setup.ts";

const sketch = { type: "image_generation.partial_image", b64_json: png.toString("base64"), partial_image_index: 0 };
const picture = { type: "image_generation.completed", b64_json: png.toString("base64"), created_at: 1713833628 };
const large = Buffer.concat([png, Buffer.alloc(22_000_000, 7)]).toString("base64");

const twice = `
extends: openai-images
base_url: \${env.TWICE_BASE_URL}
models: { demo: { plugins: [fan-out: { max: 1 }] } }
`;

function tell(response: ServerResponse, ...events: object[]): boolean[] {
  if (!response.headersSent) response.writeHead(200, { "content-type": "text/event-stream" });
  return events.map((event) => response.write(`data: ${JSON.stringify(event)}\n\n`));
}

describe("http: an answer as events", () => {
  let house: House;
  /** The provider's answers under way, and what lets the next one go on. */
  let provided: ServerResponse[];
  let written: number;

  /** How the prompt says that the provider behaves. */
  async function provider({ path, body, headers }: Call, response: ServerResponse): Promise<void> {
    if (path === "/broken.png") {
      response.writeHead(200, { "content-type": "image/png", "content-length": 5_000_000 });
      response.write(Buffer.concat([png, Buffer.alloc(1_000_000)]), () => response.destroy());
      return;
    }
    provided.push(response);
    const { prompt } = JSON.parse(body) as { prompt: string };
    if (prompt === "large") (tell(response, { ...picture, b64_json: large }), response.end());
    if (prompt === "sketch") tell(response, sketch);
    if (prompt === "broken") reply(response, { data: [{ url: `http://${headers.host}/broken.png` }] });
    if (prompt === "many") {
      for (; !response.destroyed && written < 40; written += 1) {
        if (!tell(response, { ...sketch, b64_json: large.slice(0, 4_000_000) })[0])
          await Promise.race([once(response, "drain"), once(response, "close")]);
      }
    }
  }

  before(async () => {
    house = await startHouse(provider, { heartbeat: 20 });
  });
  beforeEach(() => {
    house.reset();
    provided = [];
    written = 0;
  });
  after(() => house.close());

  const order = (prompt: string, more: object = {}) => ({ model: "demo", prompt, stream: true, ...more });
  const logged = async () => {
    await until(() => house.log.some(({ msg }) => msg === "request"));
    return house.log.find(({ msg }) => msg === "request");
  };

  it("shows signs of life from when the provider has the request, and then the picture", async () => {
    const asked = house.generate(order("wait"));
    const response = await asked;
    expect(response.headers.get("content-type")).to.equal("text/event-stream");
    expect(response.headers.get("cache-control")).to.equal("no-cache");
    expect(response.headers.get("x-accel-buffering")).to.equal("no");
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = (await reader.read()).value ?? "";
    expect(text).to.match(/^(: still at work\n\n)+$/);
    tell(provided[0]!, sketch, picture);
    provided[0]!.end();
    for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
    const data = [...text.matchAll(/^data: (.*)$/gm)].map(([, json = ""]) => JSON.parse(json) as Record<string, unknown>);
    expect(data).to.deep.equal([
      { ...sketch, created_at: data[0]!.created_at, size: "256x256", quality: "auto", background: "auto", output_format: "png" },
      {
        ...picture,
        size: "256x256",
        quality: "auto",
        background: "auto",
        output_format: "png",
        // Known only after the head was out.
        metadata: { pictor: { channel: "acme", attempts: "acme ok" } },
      },
    ]);
    expect(text)
      .to.include("event: image_generation.partial_image\ndata: ")
      .and.to.include("\n\nevent: image_generation.completed\ndata: ");
    expect(await logged()).to.include({ status: 200, channel: "acme" });
    expect(await metric(house.url, 'pictor_pictures_total{channel="acme",model="demo"}')).to.equal(1);
  });

  it("tells an error as an event once it has begun, and logs what it was", async () => {
    const response = await house.generate(order("wait"));
    expect(response.status).to.equal(200);
    reply(provided[0]!, { error: { message: "the brush broke" } }, 500);
    const text = await response.text();
    expect(text).to.match(/\n\nevent: error\ndata: (.*)\n\n$/);
    expect(JSON.parse(/data: (.*)/.exec(text)![1]!)).to.deep.equal({
      type: "error",
      error: { message: "the brush broke", type: "api_error", param: null, code: "upstream_error" },
    });
    expect(await logged()).to.include({ status: 502 });
    expect(house.log.filter(({ msg }) => msg === "request failed")).to.have.length(1);
  });

  it("says which call an event is of, where several run at the same time", async () => {
    const behind = await httpProvider((request, response) => {
      request.resume();
      provided.push(response);
    });
    const gateway = await gatewayWith({ "twice.yaml": twice }, { TWICE_BASE_URL: behind.url });
    try {
      const asked = fetch(`${gateway.url}/v1/images/generations`, {
        method: "POST",
        headers: { authorization: `Bearer ${gateway.key}`, "content-type": "application/json" },
        body: JSON.stringify(order("wait", { n: 2 })),
      });
      await until(() => provided.length === 2);
      const pictures = [solidPng(1, 1), solidPng(2, 2)].map((bytes) => bytes.toString("base64"));
      for (const [place, b64_json] of pictures.entries()) tell(provided[place]!, { ...sketch, b64_json });
      const events: { type: string; b64_json: string; call: number }[] = [];
      let text = "";
      for await (const part of (await asked).body!.pipeThrough(new TextDecoderStream())) {
        text += part;
        const blocks = text.split("\n\n");
        text = blocks.pop() ?? "";
        events.push(...blocks.map((block) => JSON.parse(/^data: (.*)$/m.exec(block)![1]!) as (typeof events)[number]));
        // Both are finished once both have shown something.
        if (events.length === 2)
          for (const [place, b64_json] of pictures.entries()) (tell(provided[place]!, { ...picture, b64_json }), provided[place]!.end());
      }
      const callsOf = pictures.map((picture) => events.filter(({ b64_json }) => b64_json === picture).map(({ call }) => call));
      expect(callsOf.sort()).to.deep.equal([
        [0, 0],
        [1, 1],
      ]);
    } finally {
      await gateway.close();
      await behind.close();
    }
  });

  it("holds a finished picture whole, and then the error, where the request is cut behind it", async () => {
    const behind = await httpProvider((request, response) => {
      request.resume();
      // What comes behind the picture shows that it is here.
      tell(response, { ...picture, b64_json: large.slice(0, 8_000_000) }, sketch);
    });
    const life = createLife();
    const gateway = await gatewayWith({ "twice.yaml": twice }, { TWICE_BASE_URL: behind.url }, { life });
    try {
      const response = await fetch(`${gateway.url}/v1/images/generations`, {
        method: "POST",
        headers: { authorization: `Bearer ${gateway.key}`, "content-type": "application/json" },
        body: JSON.stringify(order("wait")),
      });
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      const parts = [(await reader.read()).value ?? ""];
      life.cut();
      for (let part = await reader.read(); !part.done; part = await reader.read()) parts.push(part.value);
      const events = parts.join("").split("\n\n").filter(Boolean);
      expect(events.map((event) => /^event: (.*)$/m.exec(event)?.[1])).to.deep.equal([
        "image_generation.partial_image",
        "image_generation.completed",
        "error",
      ]);
      expect(events[1]!.includes(large.slice(0, 8_000_000))).to.equal(true);
      expect(events[2]).to.contain("shutting_down");
    } finally {
      await gateway.close();
      await behind.close();
    }
  });

  it("is a plain error before that", async () => {
    await errorOf(await house.generate({ ...order("wait"), partial_images: 4 }), 400, "integer_above_max_value", "partial_images");
    await errorOf(await house.generate({ ...order("wait"), stream: "yes" }), 400, "invalid_type", "stream");
  });

  it("holds a picture of 22 MB whole", async () => {
    const response = await house.generate(order("large"));
    const { b64_json } = JSON.parse(/^data: (.*)$/m.exec(await response.text())![1]!) as { b64_json: string };
    expect(b64_json === large).to.equal(true);
  });

  it("leaves an answer alone that is written, and that its client still reads", async () => {
    let written = "";
    const client = new EventEmitter();
    const taken = once(client, "reads");
    // Nothing is through before the client reads.
    const socket = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        written += chunk.toString();
        void taken.then(() => done());
      },
    });
    const beats = 10;
    const app = new Koa().use(async (ctx) => {
      ctx.state = { signal: new AbortController().signal };
      const answer = answerEvents(ctx, { kind: "image_generation", request: { n: 1 }, heartbeat: beats, log: pino({ level: "silent" }) });
      answer.events.accepted();
      const shown = { data: { kind: "url", url: "https://a.example/1" } } as const;
      await answer.finish({ result: { pictures: [shown], errors: [], facts: {} }, changes: [] });
      await delay(5 * beats);
      client.emit("reads");
    });
    const handle = app.callback();
    const closed = new Promise((resolve) =>
      createServer((request, response) => {
        response.once("close", () => resolve(response.writableFinished));
        void handle(request, response);
      }).emit("connection", socket),
    );
    socket.push("GET / HTTP/1.1\r\nhost: gateway\r\n\r\n");
    expect(await closed).to.equal(true);
    expect(written).to.contain("https://a.example/1");
    socket.destroy();
  });

  it("breaks off when the download of its picture does, for half an event is none", async () => {
    const response = await house.generate(order("broken"));
    expect(response.status).to.equal(200);
    const failure: unknown = await response.text().catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(TypeError);
    expect(await logged()).to.include({ status: 502 });
    expect(house.log.filter(({ msg }) => msg === "the answer broke off")).to.have.length(1);
  });

  it("ends the provider's stream when the client hangs up after the first event", async () => {
    const hangUp = new AbortController();
    const response = await house.generate(order("sketch"), { signal: hangUp.signal });
    await response.body!.getReader().read();
    hangUp.abort();
    await once(provided[0]!, "close");
    expect(await logged()).to.include({ status: 499 });
    expect(house.log.filter(({ level }) => Number(level) >= 50)).to.deep.equal([]);
  });

  it("is read from the provider no faster than the client reads it", async () => {
    const socket = await dial(house.url);
    socket.write(wire("/v1/images/generations", house.key, JSON.stringify(order("many"))));
    await once(socket, "readable");
    await until(() => written > 0);
    await delay(100);
    expect(written).to.be.below(40);
    socket.destroy();
    await until(() => provided[0]!.destroyed);
  });
});
