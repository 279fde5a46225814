import type { ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { solidPng } from "../../src/picture/png.ts";
import { dial, reply, startHouse, until, wire, type Call, type House } from "./setup.ts";

const path = "/v1/images/generations";
const big = Buffer.concat([solidPng(64, 64), Buffer.alloc(20_000_000)]);

/** How the prompt says that the provider behaves. */
function provider({ path: asked, body, headers }: Call, response: ServerResponse): void {
  if (asked === "/stuck.png") {
    response.writeHead(200, { "content-type": "image/png", "content-length": big.length });
    response.write(big.subarray(0, 100_000));
  } else if (asked === "/big.png") response.writeHead(200, { "content-type": "image/png", "content-length": big.length }).end(big);
  else if (asked === "/silent.png") return;
  else {
    const { prompt } = JSON.parse(body) as { prompt: string };
    if (prompt !== "wait") reply(response, { data: [{ url: `http://${headers.host}/${prompt}.png` }] });
  }
}

describe("http: a client that hangs up", () => {
  let house: House;
  let provided: Set<ServerResponse>;
  const rejections: unknown[] = [];
  const note = (reason: unknown) => void rejections.push(reason);

  before(() => process.on("unhandledRejection", note).on("uncaughtExceptionMonitor", note));
  after(() => process.off("unhandledRejection", note).off("uncaughtExceptionMonitor", note));
  before(async () => {
    provided = new Set();
    house = await startHouse((call, response) => {
      provided.add(response);
      response.once("close", () => provided.delete(response));
      provider(call, response);
    });
  });
  beforeEach(() => house.reset());
  after(() => house.close());

  const order = (prompt: string) => JSON.stringify({ model: "demo", prompt, response_format: "b64_json" });

  /** Nothing is under way any more, the provider's sockets are closed, one line was logged, and no error. */
  async function isOver(): Promise<void> {
    const inFlight = async () => (await house.gateway.metrics.inFlight.get()).values[0]?.value;
    await until(async () => (await inFlight()) === 0, "nothing in flight");
    await until(() => provided.size === 0, "the provider's sockets are closed");
    await delay(30);
    expect(house.log.filter(({ msg }) => msg === "request").map(({ status }) => status)).to.deep.equal([499]);
    expect(house.log.filter(({ level }) => Number(level) >= 50)).to.deep.equal([]);
    expect(rejections).to.deep.equal([]);
  }

  it("while its request's body is on its way", async () => {
    const socket = await dial(house.url);
    socket.write(wire(path, house.key, order("wait")).slice(0, -10));
    await until(async () => (await house.gateway.metrics.inFlight.get()).values[0]?.value === 1);
    socket.destroy();
    await isOver();
    expect(house.provider.calls).to.deep.equal([]);
  });

  it("while its compressed body is on its way", async () => {
    const socket = await dial(house.url);
    socket.write(wire(path, house.key, "x".repeat(1000), "content-encoding: gzip\r\n").slice(0, -1000));
    await until(async () => (await house.gateway.metrics.inFlight.get()).values[0]?.value === 1);
    socket.destroy();
    await isOver();
  });

  it("before the provider has answered: the call to the provider ends", async () => {
    const socket = await dial(house.url);
    socket.write(wire(path, house.key, order("wait")));
    await until(() => provided.size === 1);
    socket.destroy();
    await isOver();
    expect(house.provider.calls).to.have.length(1);
  });

  for (const [when, name] of [
    ["before a picture's first byte has come", "silent"],
    ["while a picture is downloaded", "stuck"],
  ] as const) {
    it(`${when}: the download ends`, async () => {
      const socket = await dial(house.url);
      socket.resume();
      socket.write(wire(path, house.key, order(name)));
      await until(() => provided.size === 1 && house.provider.calls.length === 2);
      await delay(30);
      socket.destroy();
      await isOver();
      expect(house.provider.calls.map((call) => call.path)).to.deep.equal(["/images/generations", `/${name}.png`]);
    });
  }

  it("while its answer is written and it reads slowly: the download waits for it, then ends", async () => {
    const socket = await dial(house.url);
    socket.write(wire(path, house.key, order("big")));
    await new Promise((resolve) => socket.once("readable", resolve));
    await delay(100);
    expect(provided.size, "the provider's answer is still being read").to.equal(1);
    socket.destroy();
    await isOver();
  });

  it("with a reset in the middle of its answer", async () => {
    const socket = await dial(house.url);
    socket.write(wire(path, house.key, order("big")));
    await new Promise((resolve) => socket.once("data", resolve));
    socket.resetAndDestroy();
    await isOver();
  });

  it("does not take others with it", async () => {
    const socket = await dial(house.url);
    socket.write(wire(path, house.key, order("wait")));
    await until(() => provided.size === 1);
    const other = house.generate({ model: "demo", prompt: "cat", response_format: "b64_json" });
    socket.destroy();
    const response = await other;
    expect(response.status, await response.text()).to.equal(200);
  });
});
