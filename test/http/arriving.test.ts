import { readdir } from "node:fs/promises";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { expect } from "chai";
import { solidPng } from "../../src/picture/png.ts";
import type { TestGateway } from "../../src/testing/gateway.ts";
import { gatewayWith } from "../helpers/channels.ts";
import { draw, httpProvider, type Provider } from "../helpers/provider.ts";
import { errorOf, startHouse, until, type Call, type House } from "./setup.ts";

const picture = Buffer.concat([solidPng(64, 64), Buffer.alloc(900_001, "what a picture is made of")]);
const text = picture.toString("base64");
const half = Math.floor(text.length / 2);

interface Images {
  data: { url?: string; b64_json?: string; revised_prompt?: string; metadata?: object }[];
  created: number;
  usage?: object;
  metadata?: { errors?: object[] };
}

describe("http: a picture that arrives within the provider's JSON", () => {
  let house: House;
  /** Goes on with the provider's answer. */
  let go: () => void;
  let gone: Promise<unknown>;

  /** How the prompt says that the provider answers. */
  async function provider({ body }: Call, response: ServerResponse): Promise<void> {
    const { prompt } = JSON.parse(body) as { prompt: string };
    const released = new Promise<void>((resolve) => (go = resolve));
    gone = once(response, "close");
    const beginning = '{"created":1713833628,"data":[{"b64_json":"';
    response.writeHead(200, { "content-type": "application/json" });
    const write = (chunk: string | Buffer) => new Promise<unknown>((resolve) => response.write(chunk, resolve));
    const wholes: Record<string, string> = {
      lines: text.replace(/.{76}/g, "$&\\r\\n").replaceAll("/", "\\/"),
      url: `data:image/png;base64,${text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")}`,
      wrong: `${text.slice(0, -8)}!!!!AAAA`,
      quoted: `${text.slice(0, half)}\\"}],\\"usage\\":{},\\"own\\":[{\\"x\\":\\"${text.slice(half)}`,
      escaped: `${text.slice(0, half)}\\\\AAA${text.slice(half)}`,
      two: `${text}"},{"b64_json":"${text}`,
    };
    const whole = wholes[prompt];
    if (whole !== undefined) return void response.end(`${beginning}${whole}"}],"usage":{"n":1}}`);
    if (prompt === "unended" || prompt === "unended url") {
      const all = prompt === "unended" ? `${beginning}${text}"}],"usage":{"n":1}}` : '{"data":[{"url":"https://pictures.example/a.png"}]}';
      await write(all);
      // Its gateway reads what was sent before it sees the connection break.
      return void setTimeout(() => response.socket?.resetAndDestroy(), 50);
    }
    if (prompt === "bytes") return void response.end(picture);
    if (prompt === "both") return void response.end(JSON.stringify({ data: [{ url: "https://pictures.example/a.png", b64_json: text }] }));
    if (prompt === "page") return void response.end(`<html>${"x".repeat(100_000)}`);
    if (prompt === "long error") return void response.end(JSON.stringify({ data: [{ b64_json: "A".repeat(100_000) }] }));
    await write(beginning + text.slice(0, half));
    await released;
    if (prompt === "cut") return void response.destroy();
    if (prompt === "endless") return;
    await write(text.slice(half));
    if (prompt === "no JSON") return void response.end('"}]');
    response.end('","revised_prompt":"a \\"fluffy\\" cat"}],"usage":{"total_tokens":3},"metadata":{"own":1}}');
  }

  before(async () => {
    house = await startHouse(provider);
  });
  beforeEach(() => house.reset());
  afterEach(async () => {
    expect(await leftOvers(house)).to.deep.equal([]);
    expect((await house.gateway.metrics.inFlight.get()).values[0]?.value).to.equal(0);
  });
  after(() => house.close());

  const order = (prompt: string, more: object = { response_format: "b64_json" }, init: RequestInit = {}) =>
    house.generate({ model: "demo", prompt, ...more }, init);

  for (const more of [{ response_format: "b64_json" }, {}]) {
    it(`is handed on before the provider has ended, with what is said behind it: ${JSON.stringify(more)}`, async () => {
      const response = await order("slow", more);
      const reader = response.body!.getReader() as ReadableStreamDefaultReader<Uint8Array>;
      const seen: Uint8Array[] = [];
      while (Buffer.concat(seen).length < half) seen.push((await reader.read()).value!);
      go();
      for (let next = await reader.read(); !next.done; next = await reader.read()) seen.push(next.value);
      const { created, data, usage, metadata } = JSON.parse(Buffer.concat(seen).toString()) as Images;
      expect({ created, usage, metadata }).to.deep.equal({ created: 1713833628, usage: { total_tokens: 3 }, metadata: { own: 1 } });
      expect(data[0]!.b64_json === text).to.equal(true);
      expect(data[0]!.revised_prompt).to.equal('a "fluffy" cat');
      expect(data[0]!.metadata).to.deep.equal({ own: 1 });
      expect((await house.gateway.metrics.pictures.get()).values[0]?.value).to.equal(1);
    });
  }

  for (const prompt of ["lines", "url"])
    it(`becomes standard base64 on the way: ${prompt}`, async () => {
      const { data, usage } = (await (await order(prompt)).json()) as Images;
      expect(data[0]!.b64_json === text).to.equal(true);
      expect(usage).to.deep.equal({ n: 1 });
    });

  it("is one where one was asked for, though the provider gave two", async () => {
    const { data, metadata } = (await (await order("two")).json()) as Images;
    expect(data.map(({ b64_json }) => b64_json === text)).to.deep.equal([true]);
    expect(metadata).to.deep.equal({ pictor: { changes: [{ field: "n", what: "more pictures left out", from: 2, to: 1 }] } });
  });

  it("is not waited for where its URL stands beside it", async () => {
    const { data } = (await (await order("both", {})).json()) as Images;
    expect(data).to.deep.equal([{ url: "https://pictures.example/a.png" }]);
  });

  it("is whole before the answer begins where two were asked for", async () => {
    const { data } = (await (await order("two", { n: 2, response_format: "b64_json" })).json()) as Images;
    expect(data.map(({ b64_json }) => b64_json === text)).to.deep.equal([true, true]);
  });

  for (const format of ["b64_json", "url"] as const)
    it(`is served where the connection broke behind the whole of a large answer: ${format}`, async () => {
      const { data, usage } = (await (await order("unended", { response_format: format })).json()) as Images;
      const bytes = format === "url" ? await (await fetch(data[0]!.url!)).arrayBuffer() : Buffer.from(data[0]!.b64_json!, "base64");
      expect(picture.equals(Buffer.from(bytes as ArrayBuffer))).to.equal(true);
      expect(usage).to.deep.equal({ n: 1 });
    });

  it("is served where the connection broke behind the whole of a small answer", async () => {
    const { data } = (await (await order("unended url", {})).json()) as Images;
    expect(data).to.deep.equal([{ url: "https://pictures.example/a.png" }]);
  });

  it("may be the answer itself", async () => {
    const response = await order("bytes");
    await errorOf(response, 502, "bad_upstream_response");
  });

  it("is the provider's word for word where it only passes, though it be no base64 at its end", async () => {
    const { data } = (await (await order("wrong")).json()) as Images;
    expect(data[0]!.b64_json).to.equal(`${text.slice(0, -8)}!!!!AAAA`);
  });

  for (const prompt of ["cut", "no JSON", "quoted", "escaped"])
    it(`breaks the connection where it turns out bad at its end: ${prompt}`, async () => {
      const response = await order(prompt);
      expect(response.status).to.equal(200);
      go();
      expect(await response.text().catch((error: unknown) => error)).to.be.instanceOf(TypeError);
      await until(() => house.log.some(({ msg, status }) => msg === "request" && status === 502));
      expect(house.log.filter(({ msg }) => msg === "the answer broke off")).to.have.length(1);
    });

  for (const prompt of ["cut", "no JSON", "wrong", "quoted", "escaped"])
    it(`is an error where it had to be whole: ${prompt}`, async () => {
      for (const more of [{ response_format: "url" }, { n: 2 }]) {
        const answer = order(prompt, more);
        await until(() => house.provider.calls.length > 0);
        go();
        await errorOf(await answer, 502, "bad_upstream_response");
        house.reset();
      }
    });

  for (const prompt of ["page", "long error"])
    it(`is no picture: ${prompt}`, async () => {
      await errorOf(await order(prompt), 502, "bad_upstream_response");
    });

  it("is stored while it arrives, whole, with what is said behind it", async () => {
    const answer = order("slow", { response_format: "url" });
    await until(() => house.provider.calls.length > 0);
    go();
    const { data, usage } = (await (await answer).json()) as Images;
    expect(usage).to.deep.equal({ total_tokens: 3 });
    expect(data[0]!.revised_prompt).to.equal('a "fluffy" cat');
    expect(Buffer.from(await (await fetch(data[0]!.url!)).arrayBuffer()).equals(picture)).to.equal(true);
  });

  for (const more of [{ response_format: "b64_json" }, { response_format: "url" }]) {
    it(`lets the provider go when the client hangs up: ${JSON.stringify(more)}`, async () => {
      const hangUp = new AbortController();
      const answer = order("endless", more, { signal: hangUp.signal });
      answer.catch(() => undefined);
      await until(() => house.provider.calls.length > 0);
      hangUp.abort();
      await gone;
      await until(() => house.log.some(({ msg, status }) => msg === "request" && status === 499));
    });
  }
});

/** Files that a request left in the spool's folder. */
async function leftOvers({ data }: House): Promise<string[]> {
  const folder = join(data, "tmp");
  const files = () => readdir(folder).catch(() => []);
  await until(async () => (await files()).length === 0);
  return files();
}

describe("http: a picture before what tells that it is none", () => {
  const channel = `
description: A provider that says behind a picture that it was refused.
extends: openai-images
base_url: \${env.LATE_BASE_URL}
models: { late: { schema: dall-e-2 } }
plugins: [response-format]
errors:
  - { when: body.finish_reason == "CONTENT_FILTERED", class: refused }
`;
  let provider: Provider;
  let gateway: TestGateway;
  let reason: string;
  before(async () => {
    provider = await httpProvider((_request, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ data: [{ b64_json: text }], finish_reason: reason }));
    });
    gateway = await gatewayWith({ "late.yaml": channel }, { LATE_BASE_URL: provider.url });
  });
  after(async () => {
    await gateway.close();
    await provider.close();
  });

  for (const [said, status] of [
    ["SUCCESS", 200],
    ["CONTENT_FILTERED", 400],
  ] as const)
    it(`is answered with ${status} for ${said}`, async () => {
      reason = said;
      expect(await draw(gateway, { model: "late", prompt: "p", response_format: "b64_json" })).to.include({ status });
    });
});

describe("http: a picture that is the provider's answer", () => {
  const channel = `
description: A provider that answers with bytes.
base_url: \${env.RAW_BASE_URL}
models: { raw: {} }
generate:
  request: { post: /draw, json: { prompt: "\${request.prompt}" } }
  result: { bytes: true }
`;
  const schema = JSON.stringify({
    $id: "raw.json",
    title: "raw",
    type: "object",
    allOf: [{ $ref: "common.json" }],
    required: ["model", "prompt"],
    unevaluatedProperties: false,
  });
  let provider: Provider;
  let gateway: TestGateway;
  let ends: "whole" | "cut";

  before(async () => {
    provider = await httpProvider((_request, response) => {
      response.writeHead(200, { "content-type": "image/png", "content-length": picture.length });
      if (ends === "whole") response.end(picture);
      else response.write(picture.subarray(0, -10), () => response.destroy());
    });
    gateway = await gatewayWith({ "raw.yaml": channel, "models/raw.json": schema }, { RAW_BASE_URL: provider.url });
  });
  after(async () => {
    await gateway.close();
    await provider.close();
  });

  for (const format of ["b64_json", "url"])
    it(`passes while it arrives, whole or not at all: ${format}`, async () => {
      ends = "whole";
      const { json } = await draw(gateway, { model: "raw", prompt: "p", response_format: format });
      const { b64_json, url } = json.data[0]!;
      const bytes = url === undefined ? Buffer.from(b64_json!, "base64") : Buffer.from(await (await fetch(url)).arrayBuffer());
      expect(bytes.equals(picture)).to.equal(true);
      ends = "cut";
      const cut: unknown = await draw(gateway, { model: "raw", prompt: "p", response_format: format }).catch((error: unknown) => error);
      if (format === "url") expect(cut).to.include({ status: 502 });
      else expect(cut).to.be.instanceOf(TypeError);
    });
});
