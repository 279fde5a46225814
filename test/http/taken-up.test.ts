// Tasks that another process had begun: they are followed, reported and billed here.
import { expect } from "chai";
import { keepRequest } from "../../src/gateway/kept-request.ts";
import { keepDocument } from "../../src/ledger/documents.ts";
import type { RequestRow } from "../../src/ledger/row.ts";
import { rowAt } from "../ledger/suite.ts";
import { startDurableHouse, type DurableHouse } from "./durable-house.ts";
import { png, reply, until } from "./setup.ts";

const channel = `base_url: \${env.ACME_BASE_URL}
keys: ["\${env.ACME_API_KEY}"]
models: { demo: {} }
plugins: [fan-out: { max: 1 }]
price: [{ bill: output_image, usd: 0.04 }]
generate:
  request: { post: /tasks, json: { prompt: "\${request.prompt}" } }
  poll: { get: "/tasks/\${submitted.id}", every: 5ms, state: "\${body.state}", pending: [working], done: [done], failed: [failed], progress: "\${body.?percent}" }
  cancel: { delete: "/tasks/\${submitted.id}" }
  result: { images: "\${[body.image]}", base64: "\${image}" }
`;

describe("http: a task that was taken up", () => {
  let house: DurableHouse;
  let state: string;
  before(async () => (house = await startDurableHouse({ "acme.yaml": channel })));
  after(() => house.close());
  beforeEach(() => {
    house.reset();
    state = "done";
    house.handler = (_call, response) =>
      reply(response, { state, percent: 40, ...(state === "done" && { image: png.toString("base64") }) });
  });

  /** Leave a job of `n` pictures as a process does that was killed after so many of its tasks were accepted. */
  async function leave(n: number, accepted = n): Promise<string> {
    const { store, durable } = house.gateway;
    const request = { model: "demo", prompt: "a cat", n };
    const documents: string[] = [];
    for (let id = 0; id < accepted; id += 1)
      documents.push(await keepDocument(store, { submission: { status: 200, headers: {}, body: { id } }, before: {} }, 60));
    const input = await keepRequest(store, { request, changes: [], origin: house.url }, 60);
    const task = { channel: "acme", model: "demo", key: "", documents };
    const row = rowAt(Date.now(), { model: "demo", n, job: true, phase: "accepted", channel: "acme", task, input });
    await house.ledger.add(row);
    durable?.wake();
    return row.id;
  }

  async function ended(id: string): Promise<RequestRow | undefined> {
    await until(async () => (await house.ledger.find(id))?.endedAt !== undefined);
    return house.ledger.find(id);
  }

  /** USD that the metrics count. */
  const counted = async () => (await house.gateway.metrics.costUsd.get()).values.reduce((sum, { value }) => sum + value, 0);

  it("is an attempt whose cost stands in its row and in the metrics", async () => {
    expect(await ended(await leave(2))).to.include({
      status: "completed",
      attempts: "acme ok",
      costNanos: 80_000_000,
      costFrom: "pictures",
    });
    expect(await counted()).to.be.closeTo(0.08, 1e-9);
    expect(house.provider.calls.map(({ method }) => method)).to.not.include("POST");
  });

  it("may have been paid for where it fails", async () => {
    state = "failed";
    expect(await ended(await leave(1))).to.include({
      status: "unknown",
      attempts: "acme failed",
      costNanos: 40_000_000,
      costFrom: "uncertain",
    });
    expect(await counted()).to.be.closeTo(0.04, 1e-9);
  });

  it("is billed with the calls of whose answers nothing is known", async () => {
    expect(await ended(await leave(2, 1))).to.include({ costNanos: 80_000_000 });
    expect(await counted()).to.be.closeTo(0.08, 1e-9);
  });

  it("is neither billed nor cancelled by a process that leaves it to the next one", async () => {
    state = "working";
    const id = await leave(1);
    await until(async () => (await house.ledger.find(id))?.progress === 40);
    house.handOver();
    await until(async () => (await house.ledger.find(id))?.owner === undefined);
    expect(await counted()).to.equal(0);
    expect(house.provider.calls.map(({ method }) => method)).to.not.include("DELETE");
  });
});
