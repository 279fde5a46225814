import { expect } from "chai";
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { createLife } from "../../src/http/life.ts";
import type { TestGateway } from "../../src/testing/gateway.ts";
import { gatewayWith } from "../helpers/channels.ts";
import { draw, httpProvider, type Provider } from "../helpers/provider.ts";
import { stopwatch } from "../helpers/turns.ts";

const channel = (url: string) => `base_url: ${url}
keys: ["\${env.KEY}", "\${env.SECOND}"]
models: { dall-e-2: {}, dall-e-3: { limits: { timeout: 300ms } }, gpt-image-1: { generate: { cancel: null }, limits: { timeout: 100ms } } }
generate:
  request: { post: /tasks, json: { prompt: "\${request.prompt}" } }
  poll: { get: "/tasks/\${body.id}", every: 5ms, state: "\${body.status}", pending: [running], done: [ok] }
  cancel: { delete: "/tasks/\${body.id}", headers: { x-why: gone } }
  result: { images: "\${body.images.map(i, i.url)}", url: "\${image}" }
`;

describe("a task", () => {
  let provider: Provider;
  let gateway: TestGateway;
  let calls: string[];
  let polled: (request: IncomingMessage, response: ServerResponse) => void;
  let cancelled: (request: IncomingMessage, response: ServerResponse) => void;
  const say = (json: unknown) => (_request: IncomingMessage, response: ServerResponse) => void response.end(JSON.stringify(json));
  const count = (call: string) => calls.filter((made) => made === call).length;

  beforeEach(() => {
    calls = [];
    polled = say({ status: "running" });
    cancelled = say({});
  });
  before(async () => {
    provider = await httpProvider((request, response) => {
      request.resume();
      calls.push(`${request.method} ${request.url} ${request.headers.authorization}`.replace(/ Bearer (KEY|SECOND)$/, ""));
      if (request.method === "POST") response.end('{"id":"t/1"}');
      else (request.method === "DELETE" ? cancelled : polled)(request, response);
    });
    gateway = await gatewayWith({ "shop.yaml": channel(provider.url) }, { KEY: "KEY", SECOND: "SECOND" });
  });
  after(async () => {
    await gateway.close();
    await provider.close();
  });

  const until = async (holds: () => boolean) => {
    for (let tries = 0; tries < 300 && !holds(); tries += 1) await delay(10);
    expect(holds()).to.equal(true);
  };
  const overAt = async () => {
    const before = calls.length;
    await delay(60);
    return calls.length - before;
  };

  it("is cancelled when the client hangs up, and not asked for again", async () => {
    const client = new AbortController();
    const answer = draw(gateway, { model: "dall-e-2", prompt: "x" }, client.signal).catch(() => undefined);
    await until(() => count("GET /tasks/t%2F1") > 2);
    client.abort();
    await answer;
    await until(() => count("DELETE /tasks/t%2F1") === 1);
    expect(await overAt()).to.equal(0);
    expect(count("POST /tasks")).to.equal(1);
  });

  it("is cancelled when the process ends and cuts off who waits for it", async () => {
    const life = createLife();
    const ending = await gatewayWith({ "shop.yaml": channel(provider.url) }, { KEY: "KEY", SECOND: "SECOND" }, { life });
    try {
      const answer = draw(ending, { model: "dall-e-2", prompt: "x" });
      await until(() => count("GET /tasks/t%2F1") > 2);
      life.cut();
      expect((await answer).json.error.code).to.equal("shutting_down");
      await until(() => count("DELETE /tasks/t%2F1") === 1);
      expect(await overAt()).to.equal(0);
    } finally {
      await ending.close();
    }
  });

  it("is cancelled also while a poll's answer is on its way", async () => {
    polled = () => undefined;
    const answer = draw(gateway, { model: "dall-e-2", prompt: "x" }, AbortSignal.timeout(100)).catch(() => undefined);
    await answer;
    await until(() => count("DELETE /tasks/t%2F1") === 1);
    expect(count("GET /tasks/t%2F1")).to.equal(1);
  });

  it("that never ends is bounded by the channel's time, cancelled, and ordered once", async () => {
    const { status, json, headers } = await draw(gateway, { model: "dall-e-3", prompt: "x" });
    expect([status, json.error.code]).to.deep.equal([504, "upstream_timeout"]);
    expect(headers.get("x-pictor-attempts")).to.equal("shop timeout");
    await until(() => count("DELETE /tasks/t%2F1") === 1);
    expect(await overAt()).to.equal(0);
    expect(count("POST /tasks")).to.equal(1);
  });

  it("that cannot be cancelled is left alone", async () => {
    const { status } = await draw(gateway, { model: "gpt-image-1", prompt: "x" });
    expect(status).to.equal(504);
    expect(await overAt()).to.equal(0);
    expect(calls.filter((call) => call.startsWith("DELETE"))).to.deep.equal([]);
  });

  it("whose cancelling fails is over all the same", async () => {
    cancelled = (request) => request.socket.destroy();
    expect((await draw(gateway, { model: "dall-e-3", prompt: "x" })).status).to.equal(504);
    await until(() => count("DELETE /tasks/t%2F1") === 1);
  });

  it("is not cancelled when it is done", async () => {
    polled = say({ status: "ok", images: [{ url: "https://a.example/1" }] });
    expect((await draw(gateway, { model: "dall-e-2", prompt: "x" })).json.data).to.deep.equal([{ url: "https://a.example/1" }]);
    expect(await overAt()).to.equal(0);
    expect(calls).to.deep.equal(["POST /tasks", "GET /tasks/t%2F1"]);
  });

  it("that is polled often leaves no listener behind, and keeps its connection", async () => {
    const warnings: Error[] = [];
    const note = (warning: Error) => void warnings.push(warning);
    process.on("warning", note);
    try {
      let polls = 0;
      const ports = new Set<unknown>();
      polled = (request, response) => {
        polls += 1;
        ports.add(request.socket.remotePort);
        say(polls < 30 ? { status: "running" } : { status: "ok", images: [{ url: "https://a.example/1" }] })(request, response);
      };
      expect((await draw(gateway, { model: "dall-e-2", prompt: "x" })).status).to.equal(200);
      await delay(10);
      expect(warnings).to.deep.equal([]);
      expect(ports.size).to.equal(1);
    } finally {
      process.off("warning", note);
    }
  });

  it("with a huge list of pictures is answered with no more than anybody can have ordered", async () => {
    const url = "https://a.example/1";
    polled = say({ status: "ok", images: Array.from({ length: 20_000 }, () => ({ url })) });
    const took = stopwatch();
    const { status, json } = await draw(gateway, { model: "dall-e-2", prompt: "x" });
    expect([status, json.data.length]).to.deep.equal([200, 64]);
    expect(took()).to.be.below(5000);
  });

  it("nested without end is given up after some polls", async () => {
    polled = (_request, response) => void response.end(`{"status":"ok","images":${"[".repeat(20_000)}${"]".repeat(20_000)}}`);
    expect((await draw(gateway, { model: "dall-e-2", prompt: "x" })).status).to.equal(502);
  });

  it("that redirects in a circle fails, and is bounded", async () => {
    polled = (request, response) => void response.writeHead(302, { location: request.url }).end("{}");
    expect((await draw(gateway, { model: "dall-e-2", prompt: "x" })).status).to.equal(502);
    expect(new Set(calls)).to.deep.equal(new Set(["POST /tasks", "GET /tasks/t%2F1"]));
  });

  it("whose answer never ends is given up once it is seen to be none", async () => {
    const chunk = Buffer.alloc(4 * 1024 * 1024, " ");
    let sent = 0;
    let closed = false;
    polled = (_request, response) => {
      const more = () => {
        while (!response.destroyed && sent < 2 ** 30) {
          sent += chunk.length;
          if (!response.write(chunk)) return;
        }
      };
      response.on("drain", more).on("close", () => (closed = true));
      more();
      // The next poll says what became of it.
      polled = say({ status: "ok", images: [{ url: "https://a.example/1" }] });
    };
    expect((await draw(gateway, { model: "dall-e-2", prompt: "x" })).status).to.equal(200);
    await until(() => closed);
    expect(sent).to.be.below(64 * 1024 * 1024);
  });
});
