// Answers of providers by mutation of what every shipped channel's tests say: each ends in an answer in our own shape, soon, and nothing stays.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import type { ChannelTests } from "../../src/channels/channel.ts";
import { loadChannels } from "../../src/channels/load.ts";
import { createRouting } from "../../src/gateway/routing.ts";
import { createTable, type Table } from "../../src/gateway/table.ts";
import { startGateway, type TestGateway } from "../../src/testing/gateway.ts";
import { testEnvironment } from "../../src/testing/run.ts";
import { plugins } from "../helpers/channels.ts";
import { httpProvider, type Provider } from "../helpers/provider.ts";
import { stopwatch, watchTurns } from "../helpers/turns.ts";
import { runs } from "./runs.ts";

interface Reply {
  status?: number;
  headers?: Record<string, string>;
  json?: unknown;
  text?: string;
  sse?: { event?: string; data: unknown }[];
  base64?: string;
}

interface Test {
  request?: Record<string, unknown>;
  edit?: Record<string, unknown>;
  exchange?: { reply?: Reply }[];
}

/** What is done to the bytes of an answer, at a place that is a share of its length. */
type Mutation = (body: string, at: number) => string;
const odd = ["null", "true", "-1", "1e400", '""', "[]", "{}", "[[]]", '"x"', '{"error":{}}', `[${"{},".repeat(500)}{}]`, "[".repeat(150)];
const value = /"(?:[^"\\]|\\.)*"(?!\s*:)|-?\d+(?:\.\d+)?|true|false|null/g;
const valueAt = (body: string, at: number) => {
  const found = [...body.matchAll(value)];
  return found[Math.floor(at * found.length)];
};
const mutations: Mutation[] = [
  ...odd.map((text): Mutation => (body, at) => {
    const found = valueAt(body, at);
    return found ? body.slice(0, found.index) + text + body.slice(found.index + found[0].length) : text;
  }),
  (body, at) => body.slice(0, Math.floor(at * body.length)),
  (body, at) => body.slice(Math.floor(at * body.length)),
  (body, at) => body.slice(0, Math.floor(at * body.length)) + body,
  (body, at) => body.replace(/"(\w+)":/g, (name, _key, place: number) => (place >= at * body.length ? `"x${name.slice(1)}` : name)),
  (body) => `[${body}]`,
  (body) => `data: ${body}\n\n`,
  (body) => `event: error\r\ndata: ${body}\r\n\r\n: x`,
  (body) => `{"data":${body}}`,
  (body) => `<html>${body}</html>`,
  (body) => `\uFEFF \n${body}`,
  (body) => body.replaceAll('":', '": \u0000'),
  (body) => body.replace(/\[/, `[${"{},".repeat(2000)}`),
];
const types = [
  "application/json",
  "text/event-stream",
  "text/html",
  "image/png",
  "multipart/form-data; boundary=x",
  "multipart/mixed",
  "",
  "a/b;;c",
];
const statuses = [200, 200, 200, 201, 202, 204, 206, 302, 400, 401, 402, 403, 404, 409, 410, 422, 425, 429, 500, 502, 503, 504, 529];

const step = fc.record({
  mutations: fc.array(fc.tuple(fc.constantFrom(...mutations), fc.double({ min: 0, max: 0.999, noNaN: true })), { maxLength: 3 }),
  type: fc.option(fc.constantFrom(...types), { freq: 3 }),
  status: fc.option(fc.constantFrom(...statuses), { freq: 3 }),
});
const scenario = fc.record({
  test: fc.double({ min: 0, max: 0.999, noNaN: true }),
  steps: fc.array(step, { minLength: 1, maxLength: 3 }),
  stream: fc.boolean(),
});

function written({ json, text, sse, base64 }: Reply): Buffer | string {
  if (base64 !== undefined) return Buffer.from(base64, "base64");
  if (sse)
    return sse
      .map(({ event, data }) => `${event ? `event: ${event}\n` : ""}data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`)
      .join("");
  return text ?? JSON.stringify(json ?? {});
}

describe("any answer of a provider", () => {
  let provider: Provider;
  let gateway: TestGateway;
  let table: Table = { channels: [], models: new Map() };
  let all: { channel: ChannelTests; test: Test }[];
  let replies: (Reply & { body: Buffer | string })[];
  let end: AbortController;

  before(async () => {
    provider = await httpProvider((request, response) => {
      request.resume().once("end", () => {
        // What is asked beyond the test is answered as its last call, so that polls end.
        const { status = 200, headers = {}, body } = (replies.length > 1 ? replies.shift() : replies[0])!;
        response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(body) });
        response.end(status === 204 || status === 304 ? undefined : body);
      });
    });
    const env = await testEnvironment("channels", provider.url);
    // A poll that nothing ends is over after some turns.
    let polls = 0;
    const wait = async (_milliseconds: number, signal: AbortSignal) => {
      polls += 1;
      if (polls % 12 === 0) end.abort();
      await new Promise((resolve) => setImmediate(resolve));
      signal.throwIfAborted();
    };
    const loaded = await loadChannels({ folder: "channels", plugins, env, withTests: true, readSecret: (path) => `file:${path}`, wait });
    all = loaded.tests.flatMap((channel) =>
      channel
        .render({ base_url: provider.url, env })
        .map(({ test }) => test as Test)
        .filter(({ exchange = [] }) => exchange.length > 0)
        .map((test) => ({ channel, test })),
    );
    gateway = await startGateway({ table: () => table, publicUrl: "https://pictor.test" });
  });
  after(async () => {
    await gateway.close();
    await provider.close();
  });

  it("becomes an answer in our own shape, and leaves nothing behind", async () => {
    const spool = join(gateway.data, "tmp");
    const turns = watchTurns();
    await fc.assert(
      fc.asyncProperty(scenario, async ({ test: place, steps, stream }) => {
        const { channel, test } = all[Math.floor(place * all.length)]!;
        replies = (test.exchange ?? []).map(({ reply }, index) => {
          const { mutations: some, type, status } = steps[index % steps.length]!;
          const plain = written(reply ?? {});
          const text = typeof plain === "string" ? plain : plain.toString("latin1");
          const changed = some.reduce((body, [mutate, at]) => mutate(body, at).slice(0, 300_000), text);
          return {
            ...reply,
            status: status ?? reply?.status,
            headers: {
              "content-type": reply?.sse ? "text/event-stream" : "application/json",
              ...reply?.headers,
              ...(type !== null && { "content-type": type }),
            },
            body: typeof plain === "string" ? changed : Buffer.from(changed, "latin1"),
          };
        });
        table = createTable({ channels: [channel.channel], routes: channel.routes });
        gateway.gateway.routing = createRouting();
        end = new AbortController();
        const took = stopwatch();
        const response = await fetch(`${gateway.url}/v1/images/${test.edit ? "edits" : "generations"}`, {
          method: "POST",
          headers: { authorization: `Bearer ${gateway.key}`, "content-type": "application/json" },
          body: JSON.stringify({ ...(test.edit ?? test.request), ...(stream && { stream }) }),
          signal: end.signal,
        }).catch(() => undefined);
        const body = await response?.text().catch(() => undefined);
        expect(took(), "milliseconds").to.be.below(5000);
        if (!response || body === undefined) return;
        if (response.headers.get("content-type") === "text/event-stream")
          for (const [, data = ""] of body.matchAll(/^data: (.*)$/gm)) JSON.parse(data);
        else if (response.status === 200) expect(JSON.parse(body)).to.have.property("data");
        else {
          const { error } = JSON.parse(body) as { error: Record<string, unknown> };
          expect(error, body).to.have.all.keys("message", "type", "param", "code");
          expect(error.code, body).not.to.equal("internal_error");
        }
      }),
      { numRuns: runs(300) },
    );
    turns.stop();
    for (let tries = 0; tries < 200 && (await readdir(spool).catch(() => [])).length > 0; tries += 1)
      await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await readdir(spool).catch(() => [])).to.deep.equal([]);
    expect((await gateway.gateway.metrics.inFlight.get()).values[0]?.value ?? 0).to.equal(0);
    expect(turns.longest(), "milliseconds without a turn").to.be.below(500);
  }).timeout(600_000);
});
