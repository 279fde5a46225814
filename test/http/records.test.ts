// The rows of requests that are served as any other, and how clients and the operator read them.
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import type { RequestRow } from "../../src/ledger/row.ts";
import { startDurableHouse, type DurableHouse } from "./durable-house.ts";
import { dial, errorOf, png, reply, until, wire } from "./setup.ts";

const base64 = png.toString("base64");
const ask = { model: "demo", prompt: "a very secret prompt" };

interface List {
  data: { id: string; status: string; client?: string }[];
  has_more: boolean;
  last_id: string | null;
}

describe("http: the rows of requests", () => {
  let house: DurableHouse;
  before(async () => (house = await startDurableHouse()));
  after(() => house.close());
  beforeEach(() => {
    house.reset();
    house.handler = (_call, response) => reply(response, { created: 7, data: [{ b64_json: base64 }], usage: { total_tokens: 3 } });
  });

  const ledger = () => house.gateway.durable!.ledger;
  const get = (path: string, key = house.key) => fetch(house.url + path, { headers: { authorization: `Bearer ${key}` } });
  const idOf = (response: Response) => String(response.headers.get("x-request-id"));

  /** The row of a request that is over. */
  async function rowOf(id: string): Promise<RequestRow> {
    await until(async () => (await ledger().find(id))?.endedAt !== undefined);
    return (await ledger().find(id))!;
  }

  it("say what was made and how, without a prompt and without a picture", async () => {
    const row = await rowOf(idOf(await house.generate(ask)));
    expect(row).to.include({ status: "completed", model: "demo", operation: "generate", channel: "acme", attempts: "acme ok" });
    expect(row).to.include({ n: 1, made: 1, httpStatus: 200 });
    expect(row.usage).to.deep.equal({ total_tokens: 3 });
    expect(row.pictures).to.deep.include({ mediaType: "image/png", width: 256, height: 256, bytes: png.length });
    expect(row.client).to.match(/^key:[0-9a-f]{16}$/);
    expect(row.endedAt! - row.createdAt).to.be.within(0, 60_000);
    const text = JSON.stringify(row);
    expect(text).not.to.contain("secret").and.not.to.contain(base64.slice(0, 40));
  });

  it("name pictures of the store, and URLs of providers", async () => {
    const own = await rowOf(idOf(await house.generate({ ...ask, response_format: "url" })));
    expect(own.pictures?.[0]).to.include({ mediaType: "image/png", width: 256, height: 256, bytes: png.length });
    expect(await house.gateway.store.find(own.pictures?.[0]?.stored ?? "")).to.include({ bytes: png.length });
    const url = `${house.provider.url}/cat.png`;
    house.handler = (_call, response) => reply(response, { created: 7, data: [{ url }] });
    const row = await rowOf(idOf(await house.generate({ ...ask, response_format: "url" })));
    expect(row.pictures?.map((picture) => picture.url)).to.deep.equal([url]);
  });

  it("are there for streams and edits", async () => {
    const stream = await house.generate({ ...ask, stream: true });
    expect(await stream.text()).to.contain("image_generation.completed");
    expect(await rowOf(idOf(stream))).to.include({ status: "completed", made: 1 });
    const form = new FormData();
    for (const [name, value] of Object.entries(ask)) form.append(name, value);
    form.append("image", new Blob([png], { type: "image/png" }), "cat.png");
    const edit = await fetch(`${house.url}/v1/images/edits`, {
      method: "POST",
      headers: { authorization: `Bearer ${house.key}` },
      body: form,
    });
    expect(await rowOf(idOf(edit))).to.include({ operation: "edit", status: "completed" });
  });

  it("say what the gateway refused, once the model is known", async () => {
    const row = await rowOf(idOf(await house.generate({ ...ask, n: 99 })));
    expect(row).to.include({ status: "failed", httpStatus: 400 });
    expect(row.error?.error.param).to.equal("n");
    const unknown = await house.generate({ ...ask, model: "nothing" });
    await delay(50);
    expect(await ledger().find(idOf(unknown))).to.equal(undefined);
  });

  it("say what a provider refused or did wrong, in words without the prompt", async () => {
    house.handler = (_call, response) => reply(response, { error: { message: `no: ${ask.prompt}` } }, 400);
    const refused = await rowOf(idOf(await house.generate(ask)));
    expect(refused).to.include({ status: "failed", httpStatus: 400 });
    expect(refused.error?.error.message).to.equal("no: (the prompt)");
    house.handler = (_call, response) => reply(response, { error: { message: "out of order" } }, 500);
    expect(await rowOf(idOf(await house.generate(ask)))).to.include({ status: "unknown", httpStatus: 502 });
  });

  it("say that the client had gone, and whether something was ordered", async () => {
    house.handler = () => undefined;
    const socket = await dial(house.url);
    socket.write(wire("/v1/images/generations", house.key, JSON.stringify({ ...ask, user: "gone" })));
    await until(() => house.orders() === 1);
    socket.destroy();
    await until(async () => (await ledger().list({ limit: 1, statuses: ["unknown"] }))[0]?.httpStatus === 499);
    const [row] = await ledger().list({ limit: 1, statuses: ["unknown"] });
    expect(row).to.include({ channel: "acme", attempts: "acme client_gone" });
  });

  it("name the request whose outcome one was given", async () => {
    const send = () => house.generate(ask, { headers: { "idempotency-key": "twice" } });
    const [first, second] = [await send(), await send()];
    const row = await rowOf(idOf(second));
    expect(row).to.include({ repeats: idOf(first), status: "completed", made: 0 });
    const shown = (await (await get(`/v1/requests/${idOf(second)}`)).json()) as { id: string; result: { data: object[] } };
    expect([shown.id, shown.result.data.length]).to.deep.equal([idOf(second), 1]);
  });

  it("are shown to their client and to the operator alone, with what was made", async () => {
    const response = await house.generate({ ...ask, response_format: "url" });
    const { data } = (await response.json()) as { data: { url: string }[] };
    const own = (await (await get(`/v1/requests/${idOf(response)}`)).json()) as Record<string, unknown>;
    expect(own).to.include({ object: "request", status: "completed", model: "demo", n: 1, made: 1, http_status: 200 });
    expect(own).not.to.have.property("client");
    expect((own.pictures as { url: string }[])[0]?.url).to.equal(data[0]?.url);
    await errorOf(await get(`/v1/requests/${idOf(response)}`, "sk-other"), 404, "not_found");
    expect(await (await get(`/v1/requests/${idOf(response)}`, "sk-operator")).json()).to.have.property("client");
    await errorOf(await get("/v1/images/jobs", "sk-operator"), 401, "invalid_api_key");
  });

  it("are listed to their client and the operator, by what is asked for, in pages", async () => {
    const ids = [];
    for (const prompt of ["one", "two", "three"]) ids.unshift(idOf(await house.generate({ ...ask, prompt })));
    await ledger().settled();
    const list = async (query: string, key?: string) => (await (await get(`/v1/requests?${query}`, key)).json()) as List;
    const first = await list("limit=2&model=demo&channel=acme&status=completed&since=2020-01-01&until=4102444800");
    expect(first.data.map(({ id }) => id)).to.deep.equal(ids.slice(0, 2));
    expect(first).to.include({ has_more: true, last_id: ids[1] });
    expect((await list(`after=${first.last_id}&limit=1`)).data[0]?.id).to.equal(ids[2]);
    expect((await list("status=uncertain")).data.every(({ status }) => status === "failed")).to.equal(true);
    expect((await list("model=other")).data).to.deep.equal([]);
    expect((await list("limit=100", "sk-other")).data).to.deep.equal([]);
    expect((await list("client=nobody")).data.length).to.be.above(0);
    const all = await list("limit=3", "sk-operator");
    expect(all.data.map(({ id }) => id)).to.deep.equal(ids);
    expect((await list(`client=${all.data[0]?.client}`, "sk-operator")).data.length).to.be.above(2);
    expect((await list("client=nobody", "sk-operator")).data).to.deep.equal([]);
    for (const [query, name] of [
      ["status=odd", "status"],
      ["since=soon", "since"],
      ["limit=0", "limit"],
      ["after=none", "after"],
    ] as const)
      await errorOf(await get(`/v1/requests?${query}`), 400, "invalid_value", name);
  });

  it("wait where the ledger is away, and keep no request from being served", async () => {
    house.outage.isAway = true;
    const response = await house.generate(ask).finally(() => delay(300));
    expect(response.status).to.equal(200);
    house.outage.isAway = false;
    await until(async () => (await ledger().list({ limit: 1 }))[0]?.id === idOf(response));
  });
});
