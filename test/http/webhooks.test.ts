// Webhooks: clients are told of the end of their jobs.
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import OpenAI from "openai";
import type { Webhook } from "../../src/gateway/delivery.ts";
import { jobEvent, largestEvent } from "../../src/gateway/job-event.ts";
import { eventTypes, type Delivery } from "../../src/ledger/deliveries.ts";
import { secretKey, webhookHeaders } from "../../src/net/webhook.ts";
import { startReceiver, type Received, type Receiver } from "../helpers/receiver.ts";
import { rowAt } from "../ledger/suite.ts";
import { startDurableHouse, type DurableHouse } from "./durable-house.ts";
import { errorOf, metric, png, reply, until } from "./setup.ts";

const secrets = [1, 2, 3].map((byte) => `whsec_${Buffer.alloc(32, byte).toString("base64")}`);
const ask = { model: "demo", prompt: "a cat" };

interface Event {
  id: string;
  type: string;
  object: string;
  created_at: number;
  data: { id: string; status: string; pictures?: { url: string }[]; error?: { code: string } };
}

describe("http: webhooks", () => {
  let house: DurableHouse;
  let receiver: Receiver;
  const webhook = (more: Partial<Webhook> = {}): Webhook => ({
    url: `${receiver.url}/hook`,
    secrets: [secretKey(secrets[0]!)!],
    mayBePrivate: true,
    events: eventTypes,
    ...more,
  });
  before(async () => {
    [house, receiver] = [await startDurableHouse(), await startReceiver()];
  });
  after(async () => {
    await house.close();
    await receiver.close();
  });
  beforeEach(() => {
    house.reset();
    receiver.received.length = 0;
    receiver.answer = (response) => void response.writeHead(204).end();
    house.handler = (_call, response) => reply(response, { created: 7, data: [{ b64_json: png.toString("base64") }] });
    house.webhooks = new Map([["orders", webhook()]]);
  });

  const send = (headers: Record<string, string>, body: object = ask, key = house.key) =>
    house.generate(body, { headers: { prefer: "respond-async", authorization: `Bearer ${key}`, ...headers } });
  const idOf = async (response: Response) => ((await response.json()) as { id: string }).id;
  const unwrap = async ({ body, headers }: Received, secret = secrets[0]!) => {
    const client = new OpenAI({ apiKey: "none", webhookSecret: secret });
    return (await client.webhooks.unwrap(body, headers)) as unknown as Event;
  };
  const shownToOperator = async () =>
    (await fetch(`${house.url}/admin/webhooks/deliveries`, { headers: { authorization: "Bearer sk-operator" } })).json();
  const next = async () => {
    await until(() => receiver.received.length > 0);
    return receiver.received.shift()!;
  };

  it("are told of a job's end, in words that OpenAI's SDK reads", async () => {
    const id = await idOf(await send({}, { ...ask, webhook: "orders" }));
    const event = await unwrap(await next());
    expect(event).to.include({ object: "event", type: "image.job.completed" });
    expect(event.created_at).to.be.closeTo(Date.now() / 1000, 20);
    expect(event.data).to.include({ id, object: "image.job", status: "completed", model: "demo" });
    const picture = await fetch(event.data.pictures?.[0]?.url ?? "");
    expect(Buffer.from(await picture.arrayBuffer()).equals(png)).to.equal(true);
    await until(async () => (await metric(house.url, 'pictor_webhook_attempts_total{webhook="orders",outcome="delivered"}')) === 1);
    await until(async () => (await metric(house.url, "pictor_webhooks_waiting")) === 0);
  });

  it("are named by a header and in a form too, and told of failures and cancellations", async () => {
    house.handler = (_call, response) => reply(response, { error: { message: "no", code: "content_policy_violation" } }, 400);
    const failed = await idOf(await send({ "pictor-webhook": "orders" }));
    const event = await unwrap(await next());
    expect(event).to.have.property("type", "image.job.failed");
    expect(event.data).to.include({ id: failed, status: "failed" });
    expect(event.data.error?.code).to.equal("content_policy_violation");
    house.handler = () => undefined;
    const form = new FormData();
    for (const [name, value] of Object.entries({ ...ask, async: "true", webhook: "orders" })) form.append(name, value);
    const headers = { authorization: `Bearer ${house.key}` };
    const cancelled = await idOf(await fetch(`${house.url}/v1/images/generations`, { method: "POST", headers, body: form }));
    await fetch(`${house.url}/v1/images/jobs/${cancelled}`, { method: "DELETE", headers });
    const told = await unwrap(await next());
    expect([told.type, told.data.id]).to.deep.equal(["image.job.cancelled", cancelled]);
    await delay(50);
    expect(receiver.received).to.have.length(0);
  });

  it("are signed with both secrets while one takes the place of the other, and with no other", async () => {
    house.webhooks = new Map([["orders", webhook({ secrets: secrets.slice(0, 2).map((secret) => secretKey(secret)!) })]]);
    await send({}, { ...ask, webhook: "orders" });
    const received = await next();
    expect(String(received.headers["webhook-signature"]).split(" ")).to.have.length(2);
    for (const secret of secrets.slice(0, 2)) expect((await unwrap(received, secret)).type).to.equal("image.job.completed");
    const refused = (one: Received, secret?: string) =>
      unwrap(one, secret).then(
        () => "taken",
        () => "refused",
      );
    expect(await refused(received, secrets[2])).to.equal("refused");
    expect(await refused({ ...received, body: received.body.replace("completed", "failed") })).to.equal("refused");
    expect(await refused({ ...received, headers: { ...received.headers, "webhook-id": "evt_other" } })).to.equal("refused");
  });

  it("sign as the specification's example does", () => {
    const key = secretKey("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")!;
    const signed = webhookHeaders(
      { id: "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", secrets: [key], body: '{"email":"test@example.com","username":"test_user"}' },
      1649367553,
    );
    expect(signed["webhook-signature"]).to.equal("v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
    for (const wrong of ["whsec_", "whsec_c2hvcnQ=", `whsec_${Buffer.alloc(65).toString("base64")}`, "sk-1", `${secrets[0]}!`])
      expect(secretKey(wrong), wrong).to.equal(undefined);
  });

  it("are those that the key may use, and nobody is told of others", async () => {
    const named = await errorOf(await send({}, { ...ask, webhook: "nobodys" }), 400, "invalid_value", "webhook");
    house.clients.set("sk-other", { mayName: (name) => name === "others" });
    const others = await errorOf(await send({}, { ...ask, webhook: "orders" }, "sk-other"), 400, "invalid_value", "webhook");
    expect(others.message).to.equal(named.message);
    house.clients.set("sk-other", { mayName: undefined });
    await errorOf(await send({}, { ...ask, webhook: "orders" }, "sk-other"), 400, "invalid_value", "webhook");
    for (const wrong of [7, ["orders"], {}]) await errorOf(await send({}, { ...ask, webhook: wrong }), 400, "invalid_type", "webhook");
    const early = await errorOf(await send({ prefer: "" }, { ...ask, webhook: "orders" }), 400, "invalid_value", "webhook");
    expect(early.message).to.match(/respond-async/);
    expect(house.orders()).to.equal(0);
  });

  it("are URLs only for a key that may name them, and never private ones", async () => {
    const url = "https://hooks.example/x?token=secret";
    await errorOf(await send({}, { ...ask, webhook: url }), 400, "invalid_value", "webhook");
    house.clients.set("sk-other", { webhookSecrets: [secretKey(secrets[2]!)!] });
    const wrong = [
      receiver.url,
      "http://[::1]/",
      "http://10.1.2.3/x",
      "https://a:b@hooks.example/",
      "https://",
      `https://hooks.example/${"x".repeat(2048)}`,
    ];
    for (const one of wrong) await errorOf(await send({}, { ...ask, webhook: one }, "sk-other"), 400, "invalid_value", "webhook");
    const id = await idOf(await send({}, { ...ask, webhook: "orders" }, "sk-other"));
    const { client } = (await house.ledger.find(id))!;
    // A name may lead to a private address after all, and this is found out when the event is sent.
    const row = rowAt(Date.now(), { client, job: true, webhook: `${receiver.url}/secret` });
    await house.ledger.add(row);
    await house.ledger.update(row.id, { status: "completed", endedAt: Date.now() });
    const found = async () => (await house.ledger.deliveries.list({ limit: 99 })).find(({ request }) => request === row.id);
    await until(async () => (await found())?.reason !== undefined);
    expect(await found()).to.include({ status: "waiting", reason: "its address is not public" });
    expect(JSON.stringify(await shownToOperator()))
      .to.include(receiver.url)
      .and.not.include("/secret");
    expect((await next()).path).to.equal("/hook");
    expect(receiver.received).to.have.length(0);
  });

  it("are part of what a key of idempotency names", async () => {
    const headers = { "idempotency-key": "with-a-webhook" };
    const first = await idOf(await send(headers, { ...ask, webhook: "orders" }));
    expect(await idOf(await send({ ...headers, "pictor-webhook": "orders" }))).to.equal(first);
    await errorOf(await send(headers), 422, "idempotency_key_reused", "idempotency-key");
    await next();
  });

  it("show the operator what was sent and what was not, and let it be sent once more", async () => {
    receiver.answer = (response) => void response.writeHead(410).end();
    const job = await idOf(await send({}, { ...ask, webhook: "orders" }));
    const headers = { authorization: "Bearer sk-operator" };
    const list = async (query = "") =>
      (await (await fetch(`${house.url}/admin/webhooks/deliveries${query}`, { headers })).json()) as { data: Record<string, unknown>[] };
    await until(async () => (await list()).data[0]?.status === "failed");
    const [shown] = (await list("?status=failed&limit=1")).data;
    expect(shown).to.include({
      job,
      webhook: "orders",
      attempts: 1,
      answer: 410,
      origin: receiver.url,
      reason: "it answered with status 410",
    });
    receiver.answer = (response) => void response.writeHead(204).end();
    const again = (id: string, more = headers) =>
      fetch(`${house.url}/admin/webhooks/deliveries/${id}/redeliver`, { method: "POST", headers: more });
    expect((await again(String(shown?.id))).status).to.equal(200);
    await until(async () => (await list()).data[0]?.status === "delivered");
    await errorOf(await again("evt_none"), 404, "not_found");
    await errorOf(await again(String(shown?.id), { authorization: `Bearer ${house.key}` }), 401, "invalid_api_key");
    for (const query of ["?status=lost", "?limit=0", "?limit=1e9"])
      await errorOf(
        await fetch(`${house.url}/admin/webhooks/deliveries${query}`, { headers }),
        400,
        "invalid_value",
        query.slice(1, query.indexOf("=")),
      );
  });

  it("are told in less than 20 KB, and without pictures that have no link", async () => {
    const delivery = { id: "evt_1", type: "image.job.completed", createdAt: 1_800_000_000_000 } as Delivery;
    const { store } = house.gateway;
    const url = `https://pictures.example/${"x".repeat(3000)}`;
    const row = rowAt(0, { pictures: Array.from({ length: 10 }, () => ({ url })) });
    const long = await jobEvent(delivery, row, { store });
    expect(Buffer.byteLength(long)).to.be.below(largestEvent);
    expect((JSON.parse(long) as Event).data).to.not.have.property("pictures");
    const [one, other] = [{ stored: "a" }, { url: "https://pictures.example/b" }];
    const told = async (publicUrl?: string) =>
      (JSON.parse(await jobEvent(delivery, rowAt(0, { pictures: [one, other] }), { store, publicUrl })) as Event).data.pictures;
    expect(await told("https://g.example")).to.deep.equal([{ url: "https://g.example/images/a" }, { url: other.url }]);
    expect(await told()).to.deep.equal([{ url: other.url }]);
    const error = { error: { message: "x".repeat(50_000), type: "t", param: null, code: "c" } };
    expect(Buffer.byteLength(await jobEvent(delivery, rowAt(0, { error }), { store }))).to.be.below(largestEvent);
  });
});
