// Requests that outlive their connections: what a client that sends one again gets, and what the provider is asked for.
import { once } from "node:events";
import { readFile, readdir } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import OpenAI from "openai";
import { startDurableHouse, type DurableHouse } from "./durable-house.ts";
import { errorOf, png, reply } from "./setup.ts";

const base64 = png.toString("base64");
const promptOf = (body: string) => (JSON.parse(body) as { prompt: string }).prompt;
const ask = { model: "demo", prompt: "a cat that nobody may read of" };

describe("http: a request that outlives its connection", () => {
  let house: DurableHouse;
  before(async () => (house = await startDurableHouse()));
  after(() => house.close());

  let tests = 0;
  beforeEach(() => {
    house.reset();
    tests += 1;
  });

  // Each test has names of its own.
  const key = (name: string) => ({ "idempotency-key": `${name}-${tests}` });
  const send = (headers: Record<string, string>, body: object = ask, init: RequestInit = {}) => house.generate(body, { ...init, headers });
  const picture = async (response: Response) => ((await response.json()) as { data: { b64_json: string }[] }).data[0]?.b64_json;

  it("is answered again where its key comes again, and ordered once", async () => {
    house.handler = (_call, response) =>
      reply(response, { created: 7, data: [{ b64_json: base64, revised_prompt: "r" }], usage: { total_tokens: 3 } });
    const first = await send(key("k"));
    const texts = [await first.text()];
    const name = key("k")["idempotency-key"];
    for (const again of [name, `"${name}"`, ` ${name} `].map((spelling) => send({ "idempotency-key": spelling }))) {
      const answer = await again;
      expect(answer.headers.get("idempotent-replayed")).to.equal("true");
      for (const name of ["x-pictor-channel", "x-pictor-attempts"]) expect(answer.headers.get(name)).to.equal(first.headers.get(name));
      texts.push(await answer.text());
    }
    expect(new Set(texts).size).to.equal(1);
    expect(JSON.parse(texts[0]!)).to.deep.include({ created: 7, data: [{ b64_json: base64, revised_prompt: "r" }] });
    expect(house.orders()).to.equal(1);
    expect(first.headers.get("idempotent-replayed")).to.equal(null);
  });

  it("is as old as it is where it is given again", async () => {
    house.handler = (_call, response) => reply(response, { data: [{ b64_json: base64 }] });
    const first = await (await send(key("k"))).text();
    await delay(1100);
    expect(await (await send(key("k"))).text()).to.equal(first);
  });

  it("is joined while it is under way", async () => {
    house.handler = async (_call, response) => {
      await delay(100);
      reply(response, { data: [{ b64_json: base64 }] });
    };
    const answers = await Promise.all(Array.from({ length: 5 }, () => send(key("k"))));
    expect(await Promise.all(answers.map(picture))).to.deep.equal(answers.map(() => base64));
    expect(house.orders()).to.equal(1);
  });

  it("is another one for another client, another key, and without a key", async () => {
    house.handler = (_call, response) => reply(response, { data: [{ b64_json: base64 }] });
    await send(key("k"));
    await send({ ...key("k"), authorization: "Bearer sk-other" });
    await send(key("l"));
    await send({});
    await send({});
    expect(house.orders()).to.equal(5);
  });

  it("is refused where its key was used for another", async () => {
    house.handler = (_call, response) => reply(response, { data: [{ b64_json: base64 }] });
    await send(key("k"));
    await errorOf(await send(key("k"), { ...ask, prompt: "a dog" }), 422, "idempotency_key_reused", "idempotency-key");
    for (const wrong of ["", '""', "\u00fc", "k".repeat(256)])
      await errorOf(await send({ "idempotency-key": wrong }), 400, "invalid_value", "idempotency-key");
    expect(house.orders()).to.equal(1);
  });

  it("may be ordered again under its key where nothing was made", async () => {
    house.handler = (_call, response) => reply(response, { error: { message: "no", code: "content_policy_violation" } }, 400);
    await errorOf(await send(key("k")), 400, "content_policy_violation");
    house.handler = (_call, response) => reply(response, { data: [{ b64_json: base64 }] });
    expect(await picture(await send(key("k")))).to.equal(base64);
    expect(house.orders()).to.equal(2);
  });

  it("is told again, and not ordered again, where something may have been made", async () => {
    house.handler = (_call, response) =>
      void response.writeHead(200, { "content-type": "application/json" }).write('{"data":[{"b64_json":"', () => response.destroy());
    const first = await send(key("k"));
    const second = await send(key("k"));
    expect([first.status, second.status]).to.deep.equal([502, 502]);
    expect(second.headers.get("x-should-retry")).to.equal("false");
    expect(await second.json()).to.deep.equal(await first.json());
    expect(house.orders()).to.equal(1);
  });

  it("goes on for a client with a key that hangs up, and is there when it comes again", async () => {
    let answer: (() => void) | undefined;
    house.handler = (_call, response) => void (answer = () => reply(response, { data: [{ b64_json: base64 }] }));
    const hangUp = new AbortController();
    const first = send(key("k"), ask, { signal: hangUp.signal }).catch(() => undefined);
    while (!answer) await delay(5);
    hangUp.abort();
    await first;
    await delay(50);
    answer();
    expect(await picture(await send(key("k")))).to.equal(base64);
    expect(house.orders()).to.equal(1);
  });

  it("is one for the openai client that gives up after 2 seconds, twice, where its provider takes 5", async () => {
    house.handler = async (_call, response) => {
      await delay(5000);
      reply(response, { data: [{ b64_json: base64 }] });
    };
    const client = new OpenAI({ apiKey: house.key, baseURL: `${house.url}/v1`, timeout: 2000 });
    const made = await client.images.generate(ask);
    expect(made.data?.[0]?.b64_json).to.equal(base64);
    expect(house.orders()).to.equal(1);
  }).timeout(20_000);

  it("keeps no name where the ledger wrote it and could not say so", async () => {
    house.handler = (_call, response) => reply(response, { data: [{ b64_json: base64 }] });
    Object.assign(house.outage, { isAway: true, writes: true });
    await errorOf(await send(key("k")), 503, "ledger_unavailable");
    Object.assign(house.outage, { isAway: false, writes: undefined, only: undefined });
    let answer: Response;
    do answer = await send(key("k"));
    while (answer.headers.get("x-should-retry") === "true");
    expect(await picture(answer)).to.equal(base64);
    expect(house.orders()).to.equal(1);
  }).timeout(20_000);

  it("may be sent again where the ledger went away before the order left", async () => {
    house.handler = (_call, response) => reply(response, { data: [{ b64_json: base64 }] });
    Object.assign(house.outage, { isAway: true, only: /phase = / });
    const refused = await send(key("k"));
    expect(refused.headers.get("x-should-retry")).to.equal("true");
    await errorOf(refused, 503, "ledger_unavailable");
    expect(house.orders()).to.equal(0);
    Object.assign(house.outage, { isAway: false, writes: undefined, only: undefined });
    let answer: Response;
    do answer = await send(key("k"));
    while (answer.headers.get("x-should-retry") === "true");
    expect(await picture(answer)).to.equal(base64);
  }).timeout(20_000);

  it("is not ordered again for the retry of an SDK that comes while the ledger is away", async () => {
    let answer: (() => void) | undefined;
    house.handler = (_call, response) => void (answer = () => reply(response, { data: [{ b64_json: base64 }] }));
    const again = { ...ask, prompt: "the same once more" };
    const hangUp = new AbortController();
    const first = send({ "x-stainless-retry-count": "0" }, again, { signal: hangUp.signal }).catch(() => undefined);
    while (!answer) await delay(5);
    hangUp.abort();
    await first;
    house.outage.isAway = true;
    const refused = await send({ "x-stainless-retry-count": "1" }, again);
    expect(refused.headers.get("x-should-retry")).to.equal("true");
    await errorOf(refused, 503, "ledger_unavailable");
    house.outage.isAway = false;
    answer();
    expect(await picture(await send({ "x-stainless-retry-count": "2" }, again))).to.equal(base64);
    expect(house.orders()).to.equal(1);
  });

  it("is ordered once where its first request is read after its retry, and its client has gone", async () => {
    house.handler = async (_call, response) => {
      await delay(100);
      reply(response, { data: [{ b64_json: base64 }] });
    };
    const { port, hostname } = new URL(house.url);
    const connected = async () => {
      const socket = connect(Number(port), hostname);
      socket.write("GET /livez HTTP/1.1\r\nhost: a\r\n\r\n");
      await once(socket, "data");
      return socket;
    };
    const [retry, first] = [await connected(), await connected()];
    const body = JSON.stringify({ ...ask, prompt: "asked by one that was kept waiting" });
    const head = ["POST /v1/images/generations HTTP/1.1", "host: a", "authorization: Bearer sk-test", "content-type: application/json"];
    const written = (count: number) =>
      [...head, `content-length: ${body.length}`, `x-stainless-retry-count: ${count}`, "", body].join("\r\n");
    // All of it is there when the gateway reads the next time, as after a stall.
    retry.write(written(1));
    first.write(written(0));
    first.destroy();
    expect(String(await once(retry, "data"))).to.contain("200 OK");
    expect(house.orders()).to.equal(1);
    retry.destroy();
  });

  it("is ordered once where its first request comes after its retry, by another way and with a client that nobody saw go", async () => {
    house.handler = (_call, response) => reply(response, { data: [{ b64_json: base64 }] });
    const overtaken = { ...ask, prompt: "a cat that was overtaken" };
    const counts = ["1", "0", "2"];
    for (const count of counts) expect(await picture(await send({ "x-stainless-retry-count": count }, overtaken))).to.equal(base64);
    expect(house.orders()).to.equal(1);
    // The next first request is another one, for all that can be known.
    await send({ "x-stainless-retry-count": "0" }, overtaken);
    expect(house.orders()).to.equal(2);
  });

  it("is two for two clients of an SDK that ask for the same", async () => {
    house.handler = (_call, response) => reply(response, { data: [{ b64_json: base64 }] });
    for (const count of ["0", "0", "1"]) await send({ "x-stainless-retry-count": count });
    expect(house.orders()).to.equal(2);
  });

  it("shows its stream to a client that comes later, with what was shown before", async () => {
    let finish: (() => void) | undefined;
    house.handler = (_call, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      const event = (type: string, more: object) =>
        response.write(`event: ${type}\ndata: ${JSON.stringify({ type, b64_json: base64, ...more })}\n\n`);
      event("image_generation.partial_image", { partial_image_index: 0 });
      finish = () => {
        event("image_generation.completed", { usage: { total_tokens: 3 } });
        response.end();
      };
    };
    const body = { ...ask, stream: true, partial_images: 1 };
    const first = await send(key("k"), body);
    while (!finish) await delay(5);
    const second = send(key("k"), body);
    await delay(50);
    finish();
    const [one, two] = [await first.text(), await (await second).text()];
    expect(one).to.match(/event: image_generation.partial_image[^]*event: image_generation.completed/);
    expect(two).to.match(/event: image_generation.completed/);
    expect(await (await send(key("k"), body)).text()).to.match(/event: image_generation.completed[^]*b64_json/);
    expect(house.orders()).to.equal(1);
  });

  it("is known by its key alone where an earlier version of the gateway, or of its model, made its fingerprint", async () => {
    house.handler = (_call, response) => reply(response, { data: [{ b64_json: base64 }] });
    for (const prefer of [{}, { prefer: "respond-async, wait=20" }] as Record<string, string>[]) {
      const own = { "idempotency-key": `upgraded ${Object.keys(prefer).length}`, ...prefer };
      const first = await send(own);
      const id = String(first.headers.get("x-request-id"));
      const { fingerprint = "" } = (await house.ledger.find(id)) ?? {};
      expect(fingerprint).to.match(/^[0-9a-f]{64}@[0-9a-f]{8}$/);
      for (const older of [fingerprint.slice(0, 64), `${"0".repeat(64)}@00000000`]) {
        await house.ledger.update(id, { fingerprint: older });
        const again = await send(own);
        expect([again.status, again.headers.get("idempotent-replayed")]).to.deep.equal([200, "true"]);
        await errorOf(await send(own, { model: "acme/cat-1", prompt: ask.prompt }), 422, "idempotency_key_reused", "idempotency-key");
      }
      await house.ledger.update(id, { fingerprint });
      await errorOf(await send(own, { ...ask, prompt: "another cat" }), 422, "idempotency_key_reused", "idempotency-key");
    }
    expect(house.orders()).to.equal(2);
  });

  it("leaves neither prompt nor picture in the ledger's files", async () => {
    house.handler = (call, response) => reply(response, { data: [{ b64_json: base64, revised_prompt: promptOf(call.body) }] });
    await send(key("k"));
    house.handler = (call, response) => reply(response, { error: { message: `bad: ${promptOf(call.body)}` } }, 400);
    await send(key("l"));
    const revised = "a tabby in the manner of an old master, by candle light";
    for (const status of [200, 400]) {
      house.handler = (_call, response) =>
        reply(response, { error: { message: `refused: "${revised}" is not allowed`, data: [{ revised_prompt: revised }] } }, status);
      const refused = await send(key(`m${status}`));
      expect(await refused.text()).to.include("(the prompt)");
    }
    for (const name of (await readdir(house.folder)).filter((file) => file.startsWith("ledger"))) {
      const text = (await readFile(join(house.folder, name))).toString("latin1");
      expect(text, name).to.not.include(ask.prompt).and.not.include(revised.slice(0, 24)).and.not.include(base64.slice(50, 90));
    }
  });

  it("says that a picture is no longer kept, and orders no other", async () => {
    house.handler = (_call, response) => reply(response, { data: [{ b64_json: base64 }] });
    house.lives.answers = 1000;
    await send(key("k"));
    house.lives.answers = 3_600_000;
    await delay(1100);
    await errorOf(await send(key("k")), 410, "no_longer_kept");
    expect(house.orders()).to.equal(1);
  });
});
