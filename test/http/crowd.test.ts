import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { expect } from "chai";
import { createApp } from "../../src/http/app.ts";
import { startServer, type Listening } from "../../src/http/server.ts";
import { startHouse, until, wire, type House } from "./setup.ts";

const path = "/v1/images/generations";

describe("http: those who mean no good", () => {
  let house: House;
  let server: Listening;
  const sockets: Socket[] = [];
  const timers: NodeJS.Timeout[] = [];

  before(async () => {
    house = await startHouse();
    const handle = createApp(house.gateway).callback();
    server = await startServer((request, response) => void handle(request, response), { port: 0, host: "127.0.0.1" });
  });

  afterEach(() => {
    for (const timer of timers.splice(0)) clearInterval(timer);
    for (const socket of sockets.splice(0)) socket.destroy();
    house.reset();
  });

  after(async () => {
    await server.close(0, () => undefined);
    await house.close();
  });

  /** So many connections that begin so. */
  async function crowd(count: number, beginning: string): Promise<Socket[]> {
    const made = Array.from({ length: count }, () => connect(server.port, "127.0.0.1").on("error", () => undefined));
    sockets.push(...made);
    await Promise.all(made.map((socket) => once(socket, "connect")));
    for (const socket of made) socket.write(beginning);
    return made;
  }

  /** Each goes on with this, again and again, as slowly as the test's time allows: a byte a second would do no more work. */
  function dripping(made: readonly Socket[], drop: string): void {
    timers.push(setInterval(() => made.forEach((socket) => socket.writable && socket.write(drop)), 20));
  }

  /** Others get what they got before. */
  async function othersAreServed(): Promise<void> {
    const orders = Array.from({ length: 30 }, async (_, index) => {
      const format = index % 2 === 0 ? "b64_json" : "url";
      const response = await fetch(`http://127.0.0.1:${server.port}${path}`, {
        method: "POST",
        headers: { authorization: `Bearer ${house.key}`, "content-type": "application/json" },
        body: JSON.stringify({ model: "demo", prompt: "a cat", response_format: format }),
      });
      const { data } = (await response.json()) as { data: object[] };
      expect([response.status, Object.keys(data[0]!)]).to.deep.equal([200, [format]]);
    });
    await Promise.all(orders);
    expect((await fetch(`http://127.0.0.1:${server.port}/readyz`)).status).to.equal(200);
  }

  const areOpen = (made: readonly Socket[]) => made.every(({ readyState }) => readyState === "open");
  const inFlight = async () => (await house.gateway.metrics.inFlight.get()).values[0]?.value;

  it("send a thousand heads without an end: others are served as before", async () => {
    const half = await crowd(1000, `POST ${path} HTTP/1.1\r\nhost: a\r\n`);
    await othersAreServed();
    expect(areOpen(half)).to.equal(true);
  });

  it("send heads line by line, slowly: others are served as before", async () => {
    const slow = await crowd(200, `POST ${path} HTTP/1.1\r\nhost: a\r\n`);
    dripping(slow, "x: y\r\n");
    await othersAreServed();
    expect(areOpen(slow)).to.equal(true);
  });

  it("send bodies byte by byte: others are served as before, and no provider hears of them", async () => {
    const body = JSON.stringify({ model: "demo", prompt: "x".repeat(50_000) });
    const slow = await crowd(200, wire(path, house.key, body).slice(0, -50_000));
    await until(async () => (await inFlight()) === 200, "200 requests in flight");
    dripping(slow, "x");
    await othersAreServed();
    expect(areOpen(slow)).to.equal(true);
    expect(house.provider.calls.filter((call) => call.method === "POST")).to.have.length(30);
    for (const socket of slow) socket.destroy();
    await until(async () => (await inFlight()) === 0, "nothing in flight");
  });

  it("send heads that are too large: 431 for them, and others are served as before", async () => {
    const large = await crowd(100, `GET / HTTP/1.1\r\nhost: a\r\nx: ${"y".repeat(20_000)}\r\n\r\n`);
    const answers = large.map((socket) => text(socket));
    await othersAreServed();
    for (const answer of await Promise.all(answers)) expect(answer).to.match(/^HTTP\/1\.1 431 [^]*"error"/);
  });
});
