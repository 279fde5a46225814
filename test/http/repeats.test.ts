// A request that is repeated after an outcome that may have been paid for.
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import type { Table } from "../../src/gateway/table.ts";
import { createClientKeys } from "../../src/http/client-keys.ts";
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
    expect(message).to.contain(`(${id})`).and.to.contain("send a new Idempotency-Key");
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

  it("is recognised as a form that is sent again under another boundary", async () => {
    const edits = await startEdits();
    try {
      for (let times = 0; times < 2; times += 1) {
        const form = new FormData();
        form.set("model", "edits");
        form.set("prompt", "a cat");
        form.set("image", new Blob([png], { type: "image/png" }), "cat.png");
        const response = await fetch(`${edits.url}/v1/images/edits`, {
          method: "POST",
          headers: { authorization: `Bearer ${edits.key}` },
          body: form,
        });
        await errorOf(response, 502, "upstream_error");
      }
      expect(edits.orders()).to.equal(1);
    } finally {
      await edits.close();
    }
  });
});

/** A gateway with a model that edits at a provider that always fails. */
async function startEdits() {
  let orders = 0;
  const provider = await httpProvider((request, response) => {
    orders += 1;
    request.resume().once("end", () => reply(response, { error: { message: "out of order" } }, 500));
  });
  const gateway = await gatewayWith({
    "acme.yaml": `extends: openai-images
base_url: ${provider.url}
plugins: [image-inputs]
models: { edits: { schema: gpt-image-1 } }
`,
  });
  const table = gateway.gateway.table();
  gateway.gateway.table = () => ({ ...table, repeatWithin: 60_000 });
  return {
    ...gateway,
    orders: () => orders,
    close: async () => {
      await gateway.close();
      await provider.close();
    },
  };
}
