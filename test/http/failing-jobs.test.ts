// Jobs that cannot be served, or whose pictures cannot be kept.
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import type { RequestRow } from "../../src/ledger/row.ts";
import { S3Failure } from "../../src/net/s3/failure.ts";
import { chunksOf, headOf } from "../../src/picture/convert.ts";
import { NotStored, StoreAway } from "../../src/picture/store.ts";
import { rowAt } from "../ledger/suite.ts";
import { startDurableHouse, type DurableHouse } from "./durable-house.ts";
import { errorOf, png, reply, until } from "./setup.ts";

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
    house.clients.set(house.key, { jobs: 3 });
    const others = Array.from({ length: 3 }, () =>
      rowAt(Date.now(), { client, job: true, owner: "elsewhere", leaseUntil: Date.now() + 60_000 }),
    );
    await Promise.all(others.map((row) => house.ledger.add(row)));
    const again = await send();
    const another = await send({ "idempotency-key": "another" });
    for (const { id } of others) await house.ledger.update(id, { status: "cancelled", endedAt: Date.now() });
    expect([again.status, ((await again.json()) as { id: string }).id]).to.deep.equal([200, first.id]);
    expect([another.headers.get("x-should-retry"), another.headers.get("retry-after")]).to.deep.equal(["true", "5"]);
    const { message } = await errorOf(another, 429, "rate_limit_exceeded");
    expect(message).to.include("may have 3 jobs that wait or are under way");
    expect(house.orders()).to.equal(1);
    const once = (await (await send({ "idempotency-key": "another" })).json()) as { id: string };
    expect((await ended(once.id)).status).to.equal("completed");
    house.clients.clear();
  });

  it("are never more than their client may have, however many come at once", async () => {
    house.clients.set(house.key, { jobs: 3 });
    house.handler = () => undefined;
    const ask = { model: "demo", prompt: "a cat" };
    const named = (index: number): Record<string, string> => (index % 2 ? { "idempotency-key": `of a crowd, ${index}` } : {});
    const crowd = Array.from({ length: 20 }, (_, index) => house.generate(ask, { headers: { prefer: "respond-async", ...named(index) } }));
    const answers = await Promise.all(crowd);
    house.clients.clear();
    expect(answers.map(({ status }) => status).sort()).to.deep.equal([...Array<number>(3).fill(202), ...Array<number>(17).fill(429)]);
    for (const answer of answers) {
      const { id } = (await answer.json()) as { id?: string };
      if (id !== undefined)
        await fetch(`${house.url}/v1/images/jobs/${id}`, { method: "DELETE", headers: { authorization: `Bearer ${house.key}` } });
    }
  });

  it("wait while as many are served as may be", async () => {
    house.atOnce = 2;
    const replies: (() => void)[] = [];
    house.handler = (_call, response) => void replies.push(() => reply(response, { created: 7, data: [{ b64_json: base64 }] }));
    const ids: string[] = [];
    for (let count = 0; count < 4; count += 1) ids.push(await order());
    await until(() => replies.length === 2);
    const states = async () => {
      const rows = await Promise.all(ids.map((id) => house.ledger.find(id)));
      return rows.map((row) => row?.status);
    };
    expect(await states()).to.deep.equal(["in_progress", "in_progress", "queued", "queued"]);
    expect(replies.length).to.equal(2);
    replies.shift()?.();
    await until(() => replies.length === 2);
    house.atOnce = 5;
    await until(() => replies.length === 3);
    for (const answer of replies) answer();
    for (const id of ids) expect((await ended(id)).status).to.equal("completed");
  });

  it("wait with their picture for a store that is away", async () => {
    const { store } = house.gateway;
    const save = store.save.bind(store);
    let refusals = 0;
    store.save = (...values) => {
      if (house.orders() === 0 || refusals > 0) return save(...values);
      refusals += 1;
      return Promise.reject(new NotStored(new S3Failure("it is away", { passes: true })));
    };
    const { status } = await ended(await order());
    store.save = save;
    expect([status, refusals, house.orders()]).to.deep.equal(["completed", 1, 1]);
  });

  it("wait for their images where the store goes away, and order nothing before they are here", async () => {
    const { store, durable } = house.gateway;
    const data = store.data.bind(store);
    let breaks = 1;
    store.data = async (stored) => {
      const found = (await data(stored))!;
      const chunks = async function* () {
        if (breaks-- > 0) throw new StoreAway(new Error("it is away"));
        yield* chunksOf(found);
      };
      return { kind: "kept", size: stored.bytes, head: headOf(found), chunks };
    };
    const response = await fetch(`${house.url}/v1/images/edits`, {
      method: "POST",
      headers: { authorization: `Bearer ${house.key}`, "content-type": "application/json", prefer: "respond-async" },
      body: JSON.stringify({ model: "demo", prompt: "a cat", image: `data:image/png;base64,${base64}` }),
    });
    const { id } = (await response.json()) as { id: string };
    await until(async () => {
      durable?.wake();
      return (await house.ledger.find(id))?.endedAt !== undefined;
    });
    store.data = data;
    expect([(await ended(id)).status, breaks < 1, house.orders()]).to.deep.equal(["completed", true, 1]);
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
