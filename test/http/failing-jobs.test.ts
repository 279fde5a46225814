// Jobs that cannot be served, or whose pictures cannot be kept.
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { mostJobs } from "../../src/http/jobs.ts";
import type { RequestRow } from "../../src/ledger/row.ts";
import { rowAt } from "../ledger/suite.ts";
import { startDurableHouse, type DurableHouse } from "./durable-house.ts";
import { errorOf, png, reply } from "./setup.ts";

const base64 = png.toString("base64");

describe("http: jobs that fail", () => {
  let house: DurableHouse;
  before(async () => (house = await startDurableHouse()));
  after(() => house.close());
  beforeEach(() => {
    house.reset();
    house.handler = (_call, response) => reply(response, { created: 7, data: [{ b64_json: base64 }] });
  });

  const order = async () => {
    const response = await house.generate({ model: "demo", prompt: "a cat" }, { headers: { prefer: "respond-async" } });
    return ((await response.json()) as { id: string }).id;
  };

  async function ended(id: string): Promise<RequestRow> {
    for (let tries = 0; tries < 400; tries += 1) {
      const row = await house.ledger.find(id);
      if (row?.endedAt !== undefined) return row;
      await delay(25);
    }
    throw new Error(`${id} did not end`);
  }

  it("are not ordered for a client whose key was removed or has expired, and followed where a provider has accepted them", async () => {
    const { client, input } = await ended(await order());
    house.clients.set(house.key, { expires: Date.now() - 1 });
    const task = { channel: "acme", model: "demo", key: "", documents: [] };
    const kept = { model: "demo", status: "queued", job: true, input } as const;
    const rows = [
      rowAt(Date.now(), { ...kept, client }),
      rowAt(Date.now(), { ...kept, client: "removed" }),
      rowAt(Date.now(), { ...kept, client: "removed", phase: "accepted", task }),
    ];
    for (const row of rows) await house.ledger.add(row);
    const ends: unknown[] = [];
    for (const row of rows) {
      const { status, error } = await ended(row.id);
      ends.push([status, error?.error.code]);
    }
    house.clients.clear();
    expect(ends).to.deep.equal([
      ["failed", "invalid_api_key"],
      ["failed", "invalid_api_key"],
      ["unknown", "upstream_timeout"],
    ]);
    expect(house.orders()).to.equal(1);
  });

  it("are refused where their client has too many, but for one that repeats another", async () => {
    const headers = { prefer: "respond-async", "idempotency-key": "mine" };
    const send = (more: object = {}) => house.generate({ model: "demo", prompt: "a cat" }, { headers: { ...headers, ...more } });
    const first = (await (await send()).json()) as { id: string };
    const { client } = await ended(first.id);
    const others = Array.from({ length: mostJobs }, () =>
      rowAt(Date.now(), { client, job: true, owner: "elsewhere", leaseUntil: Date.now() }),
    );
    await Promise.all(others.map((row) => house.ledger.add(row)));
    const again = await send();
    const another = await send({ "idempotency-key": "another" });
    for (const { id } of others) await house.ledger.update(id, { status: "cancelled", endedAt: Date.now() });
    expect([again.status, ((await again.json()) as { id: string }).id]).to.deep.equal([200, first.id]);
    await errorOf(another, 429, "rate_limit_exceeded");
    expect(house.orders()).to.equal(1);
  });

  it("say that their picture could not be stored", async () => {
    const folder = join(house.folder, "pictures");
    house.handler = async (_call, response) => {
      await rename(folder, `${folder}.away`);
      await writeFile(folder, "");
      reply(response, { data: [{ b64_json: base64 }] });
    };
    const id = await order();
    const { status, httpStatus } = await ended(id);
    await rm(folder);
    await rename(`${folder}.away`, folder);
    expect([status, httpStatus, house.orders()]).to.deep.equal(["unknown", 507, 1]);
    const shown = await fetch(`${house.url}/v1/images/jobs/${id}`, { headers: { authorization: `Bearer ${house.key}` } });
    expect(await shown.json())
      .to.deep.include({ status: "failed" })
      .and.to.have.nested.property("error.code", "insufficient_storage");
  });
});
