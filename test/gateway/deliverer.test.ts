// Events are delivered at least once, whatever their receivers and the gateway's processes do.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import pino from "pino";
import { createDeliverer, lease, type Deliverer } from "../../src/gateway/deliverer.ts";
import { goneFor, longestAsked, pauses, type Webhook } from "../../src/gateway/delivery.ts";
import { eventTypes, type Delivery } from "../../src/ledger/deliveries.ts";
import { createLedger, type Ledger } from "../../src/ledger/ledger.ts";
import { openSqlite } from "../../src/ledger/sqlite.ts";
import { sendEvent } from "../../src/net/webhook.ts";
import { startReceiver, type Receiver } from "../helpers/receiver.ts";
import { rowAt } from "../ledger/suite.ts";

const minute = 60_000;
const hour = 60 * minute;

describe("deliveries of events", () => {
  let folder: string;
  let ledger: Ledger;
  let receiver: Receiver;
  let now: number;
  let webhook: Webhook | undefined;
  let log: Record<string, unknown>[];
  let outcomes: string[];
  let deliverer: Deliverer;

  const start = () =>
    createDeliverer({
      ledger,
      log: pino({ level: "debug" }, { write: (line: string) => void log.push(JSON.parse(line) as Record<string, unknown>) }),
      webhookOf: () => webhook,
      eventOf: ({ request, type }) => Promise.resolve(JSON.stringify({ request, type })),
      attempted: (_, outcome) => outcomes.push(outcome),
      now: () => now,
      random: () => 0,
    });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "pictor-deliveries-"));
    now = Date.now();
    ledger = createLedger({ database: await openSqlite(join(folder, "ledger.db")), folder, now: () => now });
    receiver = await startReceiver();
    webhook = { url: `${receiver.url}/hook`, secrets: [Buffer.alloc(24)], mayBePrivate: true, events: eventTypes };
    log = [];
    outcomes = [];
    deliverer = start();
  });
  afterEach(async () => {
    await deliverer.close();
    await receiver.close();
    await ledger.close();
    await rm(folder, { recursive: true });
  });

  /** Jobs that have ended just now; their ids. */
  async function ended(count = 1): Promise<string[]> {
    const rows = Array.from({ length: count }, () => rowAt(now, { job: true, webhook: "orders", expiresAt: now + 720 * hour }));
    for (const row of rows) {
      await ledger.add(row);
      await ledger.update(row.id, { status: "completed", endedAt: now }, ["in_progress"]);
    }
    return rows.map(({ id }) => id);
  }

  /** Deliver all that is due now. */
  async function deliverAll(by = deliverer): Promise<void> {
    while ((await by.deliverDue()) > 0) await by.idle();
  }
  const all = () => ledger.deliveries.list({ limit: 1000 });
  const only = async (): Promise<Delivery> => (await all())[0]!;
  const jobs = () => receiver.received.map(({ body }) => (JSON.parse(body) as { request: string }).request);

  it("come once, also to a receiver that was down for an hour", async () => {
    const ids = await ended(25);
    receiver.answer = (response) => response.socket?.destroy();
    const down = now + hour;
    for (; now < down; now += minute) await deliverAll();
    receiver.received.length = 0;
    receiver.answer = (response) => void response.writeHead(200).end("ok");
    for (; now < down + 3 * hour; now += minute) await deliverAll();
    expect(jobs().sort()).to.deep.equal(ids.sort());
    expect((await all()).every(({ status, attempts }) => status === "delivered" && attempts === 5)).to.equal(true);
    expect(await ledger.deliveries.waiting()).to.equal(0);
    expect(outcomes.filter((outcome) => outcome === "delivered")).to.have.length(25);
  });

  it("keep their ids, and sign each attempt anew", async () => {
    await ended();
    receiver.answer = (response) => void response.writeHead(500).end();
    await deliverAll();
    now += 5000;
    await deliverAll();
    const [first, second] = receiver.received.map(({ headers }) => headers);
    expect(first?.["webhook-id"])
      .to.match(/^evt_[0-9a-f]{32}$/)
      .and.equal(second?.["webhook-id"]);
    expect(Number(second?.["webhook-timestamp"]) - Number(first?.["webhook-timestamp"])).to.equal(5);
    expect(first?.["webhook-signature"]).to.not.equal(second?.["webhook-signature"]);
  });

  it("are given up after the last attempt, more than a day later, and can be redelivered", async () => {
    await ended();
    receiver.answer = (response) => void response.writeHead(500).end("a secret of the receiver");
    for (let attempts = 0; attempts <= pauses.length; attempts += 1) {
      await deliverAll();
      now = Math.max(now, (await only()).nextAt);
    }
    expect(await only()).to.include({ status: "failed", attempts: 8, answer: 500, reason: "it answered with status 500" });
    expect(receiver.received).to.have.length(8);
    expect(JSON.stringify(log)).to.not.include("secret");
    receiver.answer = (response) => void response.writeHead(204).end();
    expect(await ledger.deliveries.redeliver((await only()).id, now)).to.equal(true);
    expect(await ledger.deliveries.redeliver("evt_none", now)).to.equal(false);
    await deliverAll();
    expect(await only())
      .to.include({ status: "delivered", attempts: 1, answer: 204 })
      .and.not.have.property("reason");
  });

  for (const [what, asked, wait] of [
    ["seconds", "7200", 2 * hour],
    ["too many seconds", "1000000", longestAsked],
    ["fewer seconds than it would wait", "1", 5000],
    ["nonsense", "soon", 5000],
  ] as const)
    it(`wait as long as a receiver asks for: ${what}`, async () => {
      await ended();
      receiver.answer = (response) => void response.writeHead(503, { "retry-after": asked }).end();
      await deliverAll();
      expect((await only()).nextAt - now).to.equal(wait);
    });

  it("follow no redirect", async () => {
    await ended();
    receiver.answer = (response) => void response.writeHead(307, { location: "/elsewhere" }).end();
    await deliverAll();
    expect(receiver.received.map(({ path }) => path)).to.deep.equal(["/hook"]);
    expect(await only()).to.include({ status: "waiting", answer: 307 });
  });

  it("reach no private address, unless the operator says so", async () => {
    await ended();
    for (const url of [receiver.url, receiver.url.replace("127.0.0.1", "localhost")]) {
      webhook = { ...webhook!, url, mayBePrivate: false };
      await deliverAll();
      expect(await only()).to.include({ status: "waiting", reason: "its address is not public" });
      now += hour;
    }
    expect(receiver.received).to.have.length(0);
  });

  it("say of a receiver that is not there only that it could not be reached", async () => {
    await ended();
    await receiver.close();
    await deliverAll();
    expect(await only()).to.include({ status: "waiting", reason: "it could not be reached" });
    receiver = await startReceiver();
  });

  it("wait for no receiver without end", async () => {
    receiver.answer = () => undefined;
    const event = { url: receiver.url, id: "evt_1", body: "{}", secrets: [Buffer.alloc(24)], guarded: false, at: now };
    expect(await sendEvent(event, new AbortController().signal, 50)).to.deep.equal({ reason: "it did not answer in time" });
  });

  it("end with a 410, for a day, for every event to that URL", async () => {
    await ended();
    receiver.answer = (response) => void response.writeHead(410).end();
    await deliverAll();
    expect(await only()).to.include({ status: "failed", answer: 410 });
    expect(log.map(({ msg }) => msg)).to.include(
      "a webhook wants no more events; nothing is sent to it for a day, or until one is redelivered",
    );
    receiver.answer = (response) => void response.writeHead(204).end();
    now += hour;
    const [second] = await ended();
    await deliverAll();
    expect(receiver.received).to.have.length(1);
    expect((await all()).find(({ request }) => request === second)).to.include({
      status: "failed",
      reason: "it answered with a 410 within a day",
    });
    now += goneFor;
    const [third] = await ended();
    await deliverAll();
    expect(jobs()[1]).to.equal(third);
  });

  it("go on after a 410 as soon as one is redelivered", async () => {
    await ended();
    receiver.answer = (response) => void response.writeHead(410).end();
    await deliverAll();
    receiver.answer = (response) => void response.writeHead(204).end();
    await ledger.deliveries.redeliver((await only()).id, now);
    await ended();
    await deliverAll();
    expect((await all()).map(({ status }) => status)).to.deep.equal(["delivered", "delivered"]);
  });

  it("are forgotten where their webhook does not want them, and wait for one that is not set up", async () => {
    await ended();
    const wanted = webhook!;
    webhook = undefined;
    await deliverAll();
    expect(await only()).to.include({ status: "waiting", reason: "there is no such webhook, or its secret is not set" });
    webhook = { ...wanted, events: ["image.job.failed"] };
    now += 5000;
    await deliverAll();
    expect(await all()).to.deep.equal([]);
    expect(receiver.received).to.have.length(0);
  });

  it("are made by another process where one has gone in the middle, and by one alone otherwise", async () => {
    await ended();
    receiver.answer = () => undefined;
    await deliverer.deliverDue();
    const other = start();
    expect(await other.deliverDue()).to.equal(0);
    now += lease;
    receiver.answer = (response) => void response.writeHead(204).end();
    await deliverAll(other);
    expect(await only()).to.include({ status: "delivered", attempts: 2 });
    const [first, second] = receiver.received.map(({ headers }) => headers["webhook-id"]);
    expect(first).to.be.a("string").and.equal(second);
    await other.close();
    // What the first process has to say of it comes too late.
    await deliverer.close();
    expect(await only()).to.include({ status: "delivered", attempts: 2 });
  });

  it("are left to the next process by one that is closed", async () => {
    await ended();
    receiver.answer = () => undefined;
    await deliverer.deliverDue();
    await deliverer.close();
    expect(await only()).to.include({ status: "waiting", nextAt: now });
    const other = start();
    other.rest();
    expect(await other.deliverDue()).to.equal(0);
    await other.close();
  });

  it("to one webhook that hangs hold up no others", async () => {
    await ended(12);
    receiver.answer = () => undefined;
    expect(await deliverer.deliverDue()).to.equal(10);
    expect(await deliverer.deliverDue()).to.equal(0);
    const row = rowAt(now, { job: true, webhook: "others" });
    await ledger.add(row);
    await ledger.update(row.id, { status: "failed", endedAt: now });
    expect(await deliverer.deliverDue()).to.equal(1);
  });

  it("tell nothing of a job of which nothing is kept", async () => {
    await ended();
    now += 721 * hour;
    await deliverAll();
    expect(await only()).to.include({ status: "failed", reason: "nothing is kept of the job any more" });
    await ledger.prune(10);
    expect(await all()).to.deep.equal([]);
  });

  it("begin by themselves", async () => {
    deliverer.start();
    const [id] = await ended();
    while (receiver.received.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await deliverer.idle();
    expect(jobs()).to.deep.equal([id]);
  });
});
