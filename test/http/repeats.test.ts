// A request that is repeated after an outcome that may have been paid for.
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import type { Context } from "koa";
import { ProviderFailure } from "../../src/errors.ts";
import type { UncertainOutcome } from "../../src/gateway/uncertain.ts";
import { repeatsOf } from "../../src/http/repeats.ts";
import type { Table } from "../../src/gateway/table.ts";
import { createClientKeys } from "../../src/http/client-keys.ts";
import { pngChunk, solidPng } from "../../src/picture/png.ts";
import { gatewayWith } from "../helpers/channels.ts";
import { draw, httpProvider } from "../helpers/provider.ts";
import { errorOf, png, reply, startHouse, until, type House } from "./setup.ts";

describe("a request that is repeated after an outcome that may have been paid for", () => {
  let house: House;
  let within = 60_000;
  let status = 500;
  let answered = Promise.resolve();
  before(async () => {
    house = await startHouse(async (_call, response) => {
      await answered;
      reply(response, { error: { message: "out of order" } }, status);
    });
    const table = house.gateway.table();
    house.gateway.table = (): Table => ({ ...table, repeatWithin: within });
    house.gateway.keys = createClientKeys([house.key, "sk-other"]);
  });
  after(() => house.close());
  beforeEach(() => {
    house.reset();
    within = 60_000;
    status = 500;
  });

  let prompts = 0;
  const fresh = () => ({ model: "demo", prompt: `cat ${(prompts += 1)}` });
  const orders = () => house.provider.calls.length;

  it("gets the outcome again without an order, and is told how to order", async () => {
    const body = fresh();
    const first = await house.generate(body);
    const id = first.headers.get("x-request-id");
    await errorOf(first, 502, "upstream_error");
    const second = await house.generate(body);
    expect(second.headers.get("x-should-retry")).to.equal("false");
    expect(second.headers.get("retry-after")).to.equal(null);
    const { message } = await errorOf(second, 502, "upstream_error");
    expect(message).to.match(/^out of order; so ended the same request \d s ago/);
    expect(message)
      .to.contain(`(${id})`)
      .and.to.match(/send a new Idempotency-Key, or wait (59|60) s$/);
    expect(orders()).to.equal(1);
    expect(house.log.filter(({ msg }) => msg === "request").at(-1)).to.include({ repeats: id });
  });

  it("is an order where its Idempotency-Key is new, and none where it is the same", async () => {
    const body = fresh();
    const keys = [undefined, "a", "a", "b", undefined, "b"];
    for (const key of keys) await house.generate(body, { headers: key === undefined ? {} : { "idempotency-key": key } });
    // Without a key, a, and b; each of the others repeats what was ordered last.
    expect(orders()).to.equal(3);
  });

  it("is an order where anything of it differs: the fields, the format, the stream, the path, the client", async () => {
    const body = fresh();
    for (const other of [{}, { size: "512x512" }, { response_format: "url" }, { stream: true }, { prompt: "dog" }])
      await house.generate({ ...body, ...other });
    await draw({ url: house.url, key: "sk-other" }, body);
    expect(orders()).to.equal(6);
    // The order of the fields is no difference.
    await house.generate(Object.fromEntries(Object.entries(body).reverse()));
    expect(orders()).to.equal(6);
  });

  it("is an order once the time is over, and always where it is 0", async () => {
    const body = fresh();
    await house.generate(body);
    within = 1;
    await delay(5);
    await house.generate(body);
    within = 0;
    await house.generate(body);
    expect(orders()).to.equal(3);
  });

  for (const made of [401, 404, 429, 503])
    it(`is an order after a ${made}, which made nothing`, async () => {
      status = made;
      // A model of its own for each, since each failure starts a cool-down.
      const body = { model: "acme/open", prompt: `after ${made}` };
      for (let times = 0; times < 2; times += 1) {
        const answer = await house.generate(body);
        expect(answer.headers.get("x-should-retry")).to.equal(String(made !== 401));
        house.gateway.routing.health.receive("acme", "well");
        for (const { scope } of house.gateway.routing.health.coolDowns()) house.gateway.routing.health.receive(scope, "well");
      }
      expect(orders()).to.equal(2);
    });

  it("hears what broke off the answer that had begun, and of the gateway's own mistakes that there was one", async () => {
    const broken = new ProviderFailure("bad_response", "the provider's answer was cut");
    for (const [error, code, status, message] of [
      [broken, "bad_upstream_response", 502, broken.message],
      [new Error("no such file: /data/tmp/1"), "internal_error", 500, "internal error"],
    ] as const) {
      const added: unknown[] = [];
      const add = ({ error }: UncertainOutcome) => Promise.resolve(void added.push(error));
      const uncertain = { find: () => Promise.resolve(undefined), add, forget: () => undefined };
      const state = { id: "req_1", mayCost: true, signal: new AbortController().signal };
      const ctx = { state, get: () => "", req: { headers: {} } } as unknown as Context;
      await repeatsOf(ctx, uncertain, 1000, () => Promise.resolve("hash")).remember(error);
      expect(added).to.deep.equal([{ code, status, message, param: null }]);
    }
  });

  it("is left to the ledger where that has the request, and its client hung up", async () => {
    const added: string[] = [];
    const uncertain = {
      find: () => Promise.resolve(undefined),
      add: ({ request }: { request: string }) => Promise.resolve(void added.push(request)),
      forget: () => undefined,
    };
    const counted = { "x-stainless-retry-count": "0" };
    const requests = {
      plain: { headers: {} },
      "with a budget": { headers: {}, hasRow: true },
      "without a row": { headers: counted },
      own: { headers: counted, hasRow: true },
      joined: { headers: counted, repeats: "req_1" },
    };
    for (const [id, { headers, ...more }] of Object.entries(requests)) {
      const state = { id, mayCost: true, signal: AbortSignal.abort(), ...more };
      const ctx = { state, get: () => "", req: { headers } } as unknown as Context;
      await repeatsOf(ctx, uncertain, 1000, () => Promise.resolve("hash")).remember(new Error("gone"));
    }
    expect(added).to.deep.equal(["plain", "with a budget", "without a row"]);
  });

  it("whose client hung up is an order, and none where the client says that it is a retry", async () => {
    const body = fresh();
    const before = orders();
    answered = new Promise(() => undefined);
    const hangUp = new AbortController();
    const first = house.generate(body, { signal: hangUp.signal }).catch(() => undefined);
    await until(() => orders() === before + 1);
    hangUp.abort();
    await first;
    answered = Promise.resolve();
    await until(() => house.log.some(({ status }) => status === 499));
    const retry = await house.generate(body, { headers: { "x-stainless-retry-count": "1" } });
    expect(retry.headers.get("x-should-retry")).to.equal("false");
    const { message } = await errorOf(retry, 502, "upstream_error");
    expect(message).to.match(/^the client's connection was closed before the answer came; so ended the same request/);
    expect(orders()).to.equal(before + 1);
    await house.generate(body, { headers: { "x-stainless-retry-count": "0" } });
    expect(orders()).to.equal(before + 2);
  });

  describe("to a model that edits", () => {
    let edits: Awaited<ReturnType<typeof startEdits>>;
    before(async () => (edits = await startEdits()));
    after(() => edits.close());
    beforeEach(() => edits.forget());

    const mask = png;
    const otherMask = Buffer.concat([png.subarray(0, 33), pngChunk("tEXt", Buffer.from("another")), png.subarray(33)]);

    /** How many orders two such requests are; each with fields of its own beside those that all have. */
    async function ordersOf(...requests: { fields?: Record<string, string | Buffer>; path?: string; channel?: string }[]): Promise<number> {
      prompts += 1;
      for (const { fields = {}, path = "edits", channel } of requests) {
        const form = new FormData();
        const all: Record<string, string | Buffer> = { model: "edits", prompt: `cat ${prompts}`, image: png, ...fields };
        for (const [name, value] of Object.entries(all))
          if (typeof value === "string") form.set(name, value);
          else form.set(name, new Blob([new Uint8Array(value)], { type: "image/png" }), `${name}.png`);
        const headers = { authorization: `Bearer ${edits.key}`, ...(channel === undefined ? {} : { "x-pictor-channel": channel }) };
        await errorOf(await fetch(`${edits.url}/v1/images/${path}`, { method: "POST", headers, body: form }), 502, "upstream_error");
      }
      return edits.orders();
    }

    it("is recognised as a form that is sent again under another boundary", async () => {
      expect(await ordersOf({}, {})).to.equal(1);
      expect(await ordersOf({ fields: { mask } }, { fields: { mask } })).to.equal(2);
    });

    for (const [what, one, other] of [
      ["image", {}, { fields: { image: solidPng(256, 255) } }],
      ["mask", { fields: { mask } }, { fields: { mask: otherMask } }],
      ["mask that is absent", { fields: { mask } }, {}],
      ["path", {}, { path: "generations" }],
      ["channel", { channel: "acme" }, { channel: "other" }],
      ["channel that is not named", { channel: "acme" }, {}],
    ] as const)
      it(`is an order with another ${what}`, async () => expect(await ordersOf(one, other)).to.equal(2));

    it("is an order where an image's URL differs", async () => {
      prompts += 1;
      for (const image of ["https://a.example/1.png", "https://a.example/2.png", "https://a.example/2.png"])
        await draw(edits, { model: "urls", prompt: `cat ${prompts}`, image });
      expect(edits.orders()).to.equal(2);
    });
  });
});

/** A gateway with models that edit at providers that always fail. */
async function startEdits() {
  let orders = 0;
  const provider = await httpProvider((request, response) => {
    orders += 1;
    request.resume().once("end", () => reply(response, { error: { message: "out of order" } }, 500));
  });
  const channel = (models: string) => `extends: openai-images
base_url: ${provider.url}
cool_down: { after: 1000 }
plugins: [image-inputs]
models: ${models}
`;
  const urls = `base_url: ${provider.url}
cool_down: { after: 1000 }
plugins: [{ image-inputs: { as: url } }]
models: { urls: { schema: gpt-image-1 } }
edit:
  request: { post: /edit, json: { prompt: "\${request.prompt}", images: "\${request.images}" } }
  result: { images: "\${body.data}", url: "\${image.url}" }
`;
  const models = "{ edits: { schema: gpt-image-1 } }";
  const gateway = await gatewayWith({ "acme.yaml": channel(models), "other.yaml": channel(models), "urls.yaml": urls });
  const table = gateway.gateway.table();
  gateway.gateway.table = () => ({ ...table, repeatWithin: 60_000 });
  return {
    ...gateway,
    orders: () => orders,
    forget: () => void (orders = 0),
    close: async () => {
      await gateway.close();
      await provider.close();
    },
  };
}
