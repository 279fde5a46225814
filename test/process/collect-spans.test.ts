// Spans of requests, as a collector on loopback gets them.
import { expect } from "chai";
import pino from "pino";
import type { RequestRow } from "../../src/ledger/row.ts";
import { keepRequest } from "../../src/gateway/kept-request.ts";
import { keepDocument } from "../../src/ledger/documents.ts";
import { collectSpans } from "../../src/process/collect-spans.ts";
import { solidPng } from "../../src/picture/png.ts";
import { startReceiver, type Receiver } from "../helpers/receiver.ts";
import { resourceIn, setVariables, settings, spansIn, type Seen } from "../helpers/spans.ts";
import { startDurableHouse, type DurableHouse } from "../http/durable-house.ts";
import { reply, until } from "../http/setup.ts";
import { rowAt } from "../ledger/suite.ts";

const [trace, client] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];
const traceparent = `00-${trace}-${client}-01`;
const prompt = "a cat that nobody may hear of";
const ask = { model: "demo", prompt };
const base64 = solidPng(64, 64).toString("base64");

const head = (path: string) => `base_url: \${env.ACME_BASE_URL}${path}
keys: ["\${env.ACME_API_KEY}"]
`;
const once200 = `generate:
  request: { post: /pictures, json: { prompt: "\${request.prompt}" } }
  result: { images: "\${body.data}", url: "\${image.?url}", base64: "\${image.?b64_json}", usage: "\${body.?usage}" }
`;

const files = {
  "broken.yaml": `${head("/broken")}models: { demo: {} }\n${once200}`,
  "good.yaml": `${head("")}priority: 1\nmodels: { demo: {}, converted: { schema: demo } }
plugins: [response-format, output-format: { default: jpeg }]
price: [{ bill: output_image, usd: 0.04 }]\n${once200}`,
  "tasks.yaml": `${head("/tasks")}models: { slow: { schema: demo } }
generate:
  request: { post: /, json: { prompt: "\${request.prompt}" } }
  poll: { get: "/\${submitted.id}", every: 5ms, state: "\${body.state}", pending: [working], done: [done] }
  result: { images: "\${[body.image]}", base64: "\${image}" }
`,
};

describe("spans", () => {
  let receiver: Receiver;
  let traces: Awaited<ReturnType<typeof collectSpans>>;
  let house: DurableHouse;
  let polls = 0;
  let setBack: () => void;

  before(async () => {
    receiver = await startReceiver();
    setBack = setVariables({ ...settings, OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });
    traces = await collectSpans({ leaves: true, log: pino({ level: "silent" }) });
    house = await startDurableHouse(files, { traces });
    house.handler = ({ path, body, headers }, response) => {
      const [answer, status] = answerTo(path, body, `http://${headers.host}/cat.png`);
      reply(response, answer, status);
    };
  });
  after(async () => {
    await house.close();
    await traces.close();
    await receiver.close();
    setBack();
  });
  beforeEach(() => {
    house.reset();
    polls = 0;
  });

  function answerTo(path: string, body: string, url: string): [answer: object, status?: number] {
    if (path.startsWith("/broken")) return [{ error: "busy" }, 503];
    if (body.includes("forbidden")) return [{ error: { code: "content_policy_violation", message: body } }, 400];
    if (body.includes("echoed")) return [{ error: { code: `not "${body}"`, message: "no" } }, 400];
    if (path.startsWith("/tasks")) return [(polls += 1) < 3 ? { id: "t", state: "working" } : { state: "done", image: base64 }];
    const data = body.includes("url") ? [{ url }] : [{ b64_json: base64 }];
    return [{ created: 7, data, usage: { input_tokens: 11, output_tokens: 13 } }];
  }

  const exported = () => spansIn(receiver);

  /** The spans of one request in the order in which they began, once `count` of them are here. */
  async function spansOf(id: string, count: number): Promise<{ request: Seen; parts: Seen[] }> {
    const found = () => exported().find(({ attributes }) => attributes["pictor.request"] === id);
    const below = (parent: string): Seen[] =>
      exported()
        .filter(({ parentSpanId }) => parentSpanId === parent)
        .flatMap((span) => [span, ...below(span.spanId)]);
    await until(() => found() !== undefined && below(found()!.spanId).length >= count, `${count} spans of ${id}`);
    return { request: found()!, parts: below(found()!.spanId) };
  }

  /** Another request, whose spans are exported behind those of the ones before. */
  const oneMore = async () => spansOf(idOf(await house.generate({ ...ask, model: "none" })), 0);

  const names = (spans: readonly Seen[]) => spans.map(({ name }) => name).sort();
  const idOf = (response: Response) => response.headers.get("x-request-id") ?? "";

  it("show a request with an attempt that failed and one that answered", async () => {
    const response = await house.generate({ ...ask, response_format: "b64_json" }, { headers: { traceparent } });
    expect(response.status).to.equal(200);
    await response.text();
    const { request, parts } = await spansOf(idOf(response), 3);
    expect(request).to.deep.include({ name: "generate_content demo", traceId: trace, parentSpanId: client, kind: 2, status: { code: 0 } });
    expect(request.attributes).to.deep.include({
      "gen_ai.operation.name": "generate_content",
      "gen_ai.output.type": "image",
      "gen_ai.provider.name": "good",
      "gen_ai.request.model": "demo",
      "gen_ai.request.choice.count": 1,
      "gen_ai.usage.input_tokens": 11,
      "gen_ai.usage.output_tokens": 13,
      "http.request.method": "POST",
      "http.route": "/v1/images/generations",
      "http.response.status_code": 200,
      "pictor.client": "key-1",
      "pictor.operation": "generate",
      "pictor.attempts": "broken overloaded, good ok",
      "pictor.pictures": 1,
      "pictor.cost_usd": 0.04,
      "pictor.cost_from": "pictures",
    });
    const [broken, good] = ["broken", "good"].map((name) => parts.find((span) => span.name === `attempt ${name}`)!);
    expect(broken).to.deep.include({ kind: 3, status: { code: 2 }, parentSpanId: request.spanId, traceId: trace });
    expect(broken?.attributes).to.include({ "error.type": "overloaded", "pictor.outcome": "overloaded" });
    expect(good?.status).to.deep.equal({ code: 0 });
    expect(good?.attributes).to.include({ "gen_ai.usage.output_tokens": 13, "pictor.cost_usd": 0.04, "pictor.outcome": "ok" });
    const convert = parts.find(({ name }) => name === "convert")!;
    expect(convert).to.deep.include({ kind: 1, parentSpanId: good?.spanId });
    expect(convert.attributes).to.deep.equal({ "pictor.pixels": 4096 });
    // Each call names the attempt that it belongs to, and the log the request's own span.
    const carried = house.provider.calls.map(({ headers }) => headers.traceparent);
    expect(carried).to.deep.equal([broken, good].map((span) => `00-${trace}-${span?.spanId}-01`));
  });

  it("show the polls of a task, each of which its call names", async () => {
    const response = await house.generate({ ...ask, model: "slow", response_format: "b64_json" });
    expect(response.status).to.equal(200);
    const { request, parts } = await spansOf(idOf(response), 3);
    expect(request).to.not.have.property("parentSpanId");
    expect(names(parts)).to.deep.equal(["attempt tasks", "poll", "poll"]);
    const polls = parts.filter(({ name }) => name === "poll");
    for (const { attributes } of polls) expect(attributes).to.deep.equal({ "http.response.status_code": 200 });
    const carried = house.provider.calls.slice(1).map(({ headers }) => headers.traceparent);
    expect(carried).to.have.members(polls.map(({ traceId, spanId }) => `00-${traceId}-${spanId}-01`));
  });

  it("show a download, a conversion and what is stored", async () => {
    const body = { model: "converted", prompt: "url", output_format: "webp", response_format: "url" };
    const response = await house.generate(body);
    expect(response.status, await response.clone().text()).to.equal(200);
    const { parts } = await spansOf(idOf(response), 4);
    expect(names(parts)).to.deep.equal(["attempt good", "convert", "download", "store"]);
    const download = parts.find(({ name }) => name === "download")!;
    expect(download).to.deep.include({ kind: 3, status: { code: 0 } });
    expect(download.attributes).to.have.all.keys("pictor.bytes", "pictor.media_type");
  });

  it("of a job stand below the request that ordered it", async () => {
    const response = await house.generate({ ...ask, model: "slow" }, { headers: { traceparent, prefer: "respond-async" } });
    expect(response.status).to.equal(202);
    const { request, parts } = await spansOf(idOf(response), 4);
    expect(request.attributes).to.include({ "http.response.status_code": 202 });
    expect(names(parts)).to.deep.equal(["attempt tasks", "poll", "poll", "store"]);
  });

  it("of a task that another process began go on in its trace", async () => {
    const { store, durable } = house.gateway;
    const document = await keepDocument(store, { submission: { status: 200, headers: {}, body: { id: "t" } }, before: {} }, 60);
    const kept = {
      request: { model: "slow", prompt, n: 1 },
      changes: [],
      origin: house.url,
      traceparent: `00-${"a".repeat(32)}-${client}-01`,
    };
    const row: RequestRow = rowAt(Date.now(), {
      ...{ model: "slow", n: 1, job: true, phase: "accepted", channel: "tasks" },
      task: { channel: "tasks", model: "slow", key: "", documents: [document] },
      input: await keepRequest(store, kept, 60),
    });
    await house.ledger.add(row);
    durable?.wake();
    const attempt = () => exported().find(({ traceId, name }) => traceId === "a".repeat(32) && name === "attempt tasks");
    await until(() => attempt() !== undefined);
    expect(attempt()).to.deep.include({ parentSpanId: client, status: { code: 0 } });
  });

  it("show a stream, and a request that was refused", async () => {
    const stream = await house.generate({ ...ask, model: "converted", stream: true });
    expect(await stream.text()).to.include("image_generation.completed");
    expect((await spansOf(idOf(stream), 1)).request.attributes).to.include({ "pictor.pictures": 1 });
    const refused = await house.generate({ ...ask, prompt: "forbidden", model: "converted" });
    expect(refused.status).to.equal(400);
    const { request, parts } = await spansOf(idOf(refused), 1);
    expect(request.status).to.deep.equal({ code: 2 });
    expect(request.attributes).to.include({ "error.type": "content_policy_violation", "http.response.status_code": 400 });
    expect(parts[0]).to.deep.include({ name: "attempt good", status: { code: 2 } });
    expect(parts[0]?.attributes).to.include({ "error.type": "refused" });
  });

  it("have no code of a provider that is more than a word", async () => {
    const response = await house.generate({ ...ask, prompt: "echoed", model: "converted" });
    expect(response.status).to.equal(400);
    expect((await spansOf(idOf(response), 1)).request.attributes).to.include({ "error.type": "_OTHER" });
  });

  it("show a request of which no model is known, and none of one that orders nothing", async () => {
    const response = await house.generate({ ...ask, model: "what the client wrote" });
    const { request } = await spansOf(idOf(response), 0);
    expect(request).to.include({ name: "generate_content" });
    expect(request.attributes).to.include({ "error.type": "model_not_found" });
    expect(request.attributes).to.not.have.property("gen_ai.request.model");
    const other = `00-${"b".repeat(32)}-${client}-01`;
    await (await fetch(`${house.url}/v1/models`, { headers: { authorization: `Bearer ${house.key}`, traceparent: other } })).text();
    await oneMore();
    expect(exported().filter(({ traceId }) => traceId === "b".repeat(32))).to.deep.equal([]);
  });

  it("are not exported of a trace that its client does not sample, which goes on all the same", async () => {
    const unsampled = `00-${"c".repeat(32)}-${client}-00`;
    const response = await house.generate({ ...ask, model: "converted" }, { headers: { traceparent: unsampled } });
    await response.text();
    expect(house.provider.calls[0]?.headers.traceparent).to.match(/^00-c{32}-[0-9a-f]{16}-00$/);
    await oneMore();
    expect(exported().filter(({ traceId }) => traceId === "c".repeat(32))).to.deep.equal([]);
  });

  it("have no picture, prompt, key or address, and are sent with what the operator said", () => {
    const [{ headers } = { headers: {} }] = receiver.received;
    expect(headers).to.include({ "x-token": "secret token", "content-type": "application/json" });
    const text = receiver.received.map(({ body }) => body).join("\n");
    for (const [what, secret] of Object.entries({
      prompt: "nobody may hear",
      refused: "forbidden",
      echoed: "echoed",
      unknown: "what the client wrote",
      picture: base64.slice(0, 30),
      "provider's key": "acme-secret",
      "client's key": house.key,
      address: "127.0.0.1",
    }))
      expect(text.includes(secret), what).to.equal(false);
    expect(resourceIn(receiver)).to.include({
      "service.name": "pictor",
      "deployment.environment.name": "test",
      "process.pid": process.pid,
    });
  });
});
