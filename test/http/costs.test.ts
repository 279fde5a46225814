// What requests cost, in rows, metrics and answers that are given again.
import { expect } from "chai";
import { solidPng } from "../../src/picture/png.ts";
import type { RequestRow } from "../../src/ledger/row.ts";
import { startDurableHouse, type DurableHouse } from "./durable-house.ts";
import { dial, png, reply, until, wire, withMore } from "./setup.ts";

const ask = { model: "demo", prompt: "a cat" };
const b64 = png.toString("base64");

const usageOf = async (response: Response) => ((await response.json()) as { usage: object }).usage;

describe("http: what a request costs", () => {
  let house: DurableHouse;
  before(async () => {
    house = await startDurableHouse(withMore("price: [{ bill: output_image, usd: 0.04 }]"));
  });
  after(() => house.close());
  beforeEach(() => {
    house.reset();
    house.handler = (_call, response) => reply(response, { created: 7, data: [{ b64_json: b64 }], usage: { total_tokens: 3 } });
  });

  const idOf = (response: Response) => String(response.headers.get("x-request-id"));

  async function rowOf(id: string): Promise<RequestRow> {
    await until(async () => (await house.ledger.find(id))?.endedAt !== undefined);
    return (await house.ledger.find(id))!;
  }

  it("stands in its row, and is shown to its client", async () => {
    const response = await house.generate(ask);
    expect(await usageOf(response)).to.deep.equal({ total_tokens: 3, cost: 0.04 });
    expect(await rowOf(idOf(response))).to.include({ costNanos: 40_000_000, costFrom: "pictures" });
    const shown = await fetch(`${house.url}/v1/requests/${idOf(response)}`, { headers: { authorization: `Bearer ${house.key}` } });
    expect(await shown.json()).to.include({ cost: 0.04, cost_from: "pictures" });
  });

  it("is given again with an answer, and paid for once", async () => {
    const send = () => house.generate(ask, { headers: { "idempotency-key": "cost" } });
    const [first, second] = [await send(), await send()];
    expect([await usageOf(first), await usageOf(second)]).to.deep.equal(Array(2).fill({ total_tokens: 3, cost: 0.04 }));
    expect(second.headers.get("x-pictor-cost")).to.equal("0.04");
    expect(await rowOf(idOf(first))).to.include({ costNanos: 40_000_000, costFrom: "pictures" });
    expect((await rowOf(idOf(second))).costNanos).to.equal(undefined);
  });

  it("is uncertain where nobody knows what was made, also of a keyed request", async () => {
    house.handler = (_call, response) => reply(response, { error: { message: "out of order" } }, 500);
    const plain = await house.generate({ ...ask, user: "plain" });
    const keyed = await house.generate(ask, { headers: { "idempotency-key": "broken" } });
    for (const response of [plain, keyed]) {
      expect(response.headers.get("x-pictor-cost")).to.equal("0.04");
      expect(await rowOf(idOf(response))).to.include({ status: "unknown", costNanos: 40_000_000, costFrom: "uncertain" });
    }
  });

  it("is uncertain where the client had gone", async () => {
    house.handler = () => undefined;
    const socket = await dial(house.url);
    socket.write(wire("/v1/images/generations", house.key, JSON.stringify({ ...ask, user: "gone" })));
    await until(() => house.orders() === 1);
    socket.destroy();
    const gone = async () => (await house.ledger.list({ limit: 1 }))[0];
    await until(async () => (await gone())?.httpStatus === 499);
    expect(await gone()).to.include({ costNanos: 40_000_000, costFrom: "uncertain" });
  });

  it("is counted by channel and model", async () => {
    const sum = async () => {
      const { values } = await house.gateway.metrics.costUsd.get();
      return values.find(({ labels }) => labels.channel === "acme" && labels.model === "demo")?.value ?? 0;
    };
    const before = await sum();
    await (await house.generate(ask)).text();
    await until(async () => Math.abs((await sum()) - before - 0.04) < 1e-9);
    house.handler = (_call, response) => reply(response, { error: { message: "slow down" } }, 429);
    await (await house.generate(ask)).text();
    expect(await sum()).to.be.closeTo(before + 0.04, 1e-9);
  });
});

describe("http: what a request would cost", () => {
  let house: DurableHouse;
  const lines = "price: [{ bill: output_image, usd: 0.04, when: picture.pixels > 500000 }, { bill: output_image, usd: 0.02 }]";
  before(async () => {
    house = await startDurableHouse({ ...withMore(lines), "other.yaml": withMore("plugins: [fan-out: { max: 1 }]")["acme.yaml"]! });
    const table = house.gateway.table();
    house.gateway.table = () => ({ ...table, costHeader: "x-cost" });
  });
  after(() => house.close());

  const ofAcme = (channels: { channel: string }[]) => channels.find(({ channel }) => channel === "acme");
  const estimate = async (body: object) => {
    const init = { method: "POST", headers: { authorization: `Bearer ${house.key}`, "content-type": "application/json" } };
    const response = await fetch(`${house.url}/v1/images/estimate`, { ...init, body: JSON.stringify(body) });
    return { status: response.status, body: (await response.json()) as { cost: unknown; channels: { channel: string }[] } };
  };

  it("is said for each channel, and nothing is ordered", async () => {
    const { body } = await estimate({ ...ask, n: 2, size: "1024x1024" });
    expect(body).to.include({ object: "image.estimate", model: "demo", operation: "generate", n: 2, cost: null });
    expect(ofAcme(body.channels)).to.deep.equal({ channel: "acme", cost: { lowest: 0.08, highest: 0.08 } });
    expect(house.provider.calls).to.deep.equal([]);
  });

  it("is a range where it depends", async () => {
    expect(ofAcme((await estimate({ ...ask, size: "auto" })).body.channels)).to.deep.include({ cost: { lowest: 0.02, highest: 0.04 } });
  });

  it("is judged as a request is", async () => {
    expect((await estimate({ model: "demo" })).status).to.equal(400);
  });

  it("stands in the header that the operator names, for which the head waits", async () => {
    house.handler = (_call, response) => reply(response, { created: 7, data: [{ b64_json: solidPng(900, 900).toString("base64") }] });
    const response = await house.generate(ask, { headers: { "x-pictor-channel": "acme" } });
    expect(await usageOf(response)).to.deep.equal({ cost: 0.04 });
    expect([response.headers.get("x-cost"), response.headers.get("x-pictor-cost")]).to.deep.equal(["0.04", "0.04"]);
  });
});

describe("http: what an unpriced request costs", () => {
  let house: DurableHouse;
  before(async () => (house = await startDurableHouse()));
  after(() => house.close());

  it("is nowhere 0", async () => {
    house.handler = (_call, response) => reply(response, { created: 7, data: [{ b64_json: b64 }], usage: { total_tokens: 3 } });
    const response = await house.generate(ask);
    const id = String(response.headers.get("x-request-id"));
    expect(response.headers.get("x-pictor-cost")).to.equal(null);
    expect(((await response.json()) as { usage: object }).usage).to.deep.equal({ total_tokens: 3 });
    await until(async () => (await house.ledger.find(id))?.endedAt !== undefined);
    expect((await house.ledger.find(id))?.costFrom).to.equal("unpriced");
    expect((await house.ledger.find(id))?.costNanos).to.equal(undefined);
    expect((await house.gateway.metrics.unpriced.get()).values[0]?.value).to.equal(1);
    expect((await house.gateway.metrics.costUsd.get()).values).to.deep.equal([]);
  });
});
