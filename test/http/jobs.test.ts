// Jobs: requests whose answer is fetched later.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import sharp from "sharp";
import { startDurableHouse, type DurableHouse } from "./durable-house.ts";
import { errorOf, metric, png, reply, until } from "./setup.ts";

const base64 = png.toString("base64");
const ask = { model: "demo", prompt: "a cat" };

interface Job {
  id: string;
  object: string;
  status: string;
  result?: { data: { url: string }[] };
  error?: { code: string };
}

describe("http: jobs", () => {
  let house: DurableHouse;
  before(async () => (house = await startDurableHouse()));
  after(() => house.close());
  beforeEach(() => {
    house.reset();
    house.handler = (_call, response) => reply(response, { created: 7, data: [{ b64_json: base64 }] });
  });

  const send = (headers: Record<string, string>, body: object = ask) => house.generate(body, { headers });
  const get = (path: string, key = house.key, method = "GET") =>
    fetch(house.url + path, { method, headers: { authorization: `Bearer ${key}` } });
  const jobOf = async (response: Response) => (await response.json()) as Job;

  /** Wait until a job is in this state. */
  async function becomes(id: string, status: string): Promise<Job> {
    for (let tries = 0; tries < 400; tries += 1) {
      const job = await jobOf(await get(`/v1/images/jobs/${id}`));
      if (job.status === status) return job;
      await delay(25);
    }
    throw new Error(`${id} did not become ${status}`);
  }

  it("are answered at once, and their pictures are fetched later", async () => {
    const response = await send({ prefer: "respond-async" });
    expect(response.status).to.equal(202);
    const job = await jobOf(response);
    expect(job).to.include({ object: "image.job", status: "queued", model: "demo" });
    expect(response.headers.get("location")).to.equal(`/v1/images/jobs/${job.id}`);
    expect(response.headers.get("preference-applied")).to.equal("respond-async");
    expect(response.headers.get("cache-control")).to.equal("no-store");
    const done = await becomes(job.id, "completed");
    const picture = await fetch(done.result?.data[0]?.url ?? "");
    expect(Buffer.from(await picture.arrayBuffer()).equals(png)).to.equal(true);
    expect(house.orders()).to.equal(1);
    expect(await metric(house.url, 'pictor_pictures_total{channel="acme",model="demo"}')).to.equal(1);
    for (const path of ["/v1/images/tasks/", "/v1/tasks/", "/v1/requests/"]) expect((await get(path + job.id)).status, path).to.equal(200);
  });

  it("are asked for by the body and by the path too, in JSON and in forms", async () => {
    const form = new FormData();
    for (const [name, value] of Object.entries({ ...ask, async: "true" })) form.append(name, value);
    form.append("image", new Blob([png], { type: "image/png" }), "cat.png");
    const responses = [
      await send({}, { ...ask, async: true }),
      await fetch(`${house.url}/v1/images/generations/async`, {
        method: "POST",
        headers: { authorization: `Bearer ${house.key}`, "content-type": "application/json" },
        body: JSON.stringify(ask),
      }),
      await fetch(`${house.url}/v1/images/edits`, { method: "POST", headers: { authorization: `Bearer ${house.key}` }, body: form }),
    ];
    for (const response of responses) {
      expect(response.status).to.equal(202);
      await becomes((await jobOf(response)).id, "completed");
    }
    const edit = house.provider.calls.find(({ path }) => path.endsWith("/edits"));
    expect(edit?.body).to.include("IHDR");
    await errorOf(await send({}, { ...ask, async: "yes" }), 400, "unknown_parameter", "async");
  });

  it("are answered with the pictures where these come while the client waits", async () => {
    const done = await send({ prefer: "respond-async, wait=20" });
    expect(done.status).to.equal(200);
    expect((await jobOf(done)).status).to.equal("completed");
    house.handler = () => undefined;
    const waited = await send({ prefer: "respond-async, wait=1" });
    expect(waited.status).to.equal(202);
    expect(waited.headers.get("retry-after")).to.equal("5");
    await get(`/v1/images/jobs/${(await jobOf(waited)).id}`, house.key, "DELETE");
  });

  it("are one for an SDK that sends them again, and two where it does not say so", async () => {
    const ids: string[] = [];
    for (const count of ["0", "1", "2", "0"])
      ids.push((await jobOf(await send({ prefer: "respond-async", "x-stainless-retry-count": count }))).id);
    expect(ids.map((id) => ids.indexOf(id))).to.deep.equal([0, 0, 0, 3]);
    for (const id of ids) await becomes(id, "completed");
    expect(house.orders()).to.equal(2);
  });

  it("are one for an SDK whose first attempt comes after its retry", async () => {
    const overtaken = { ...ask, prompt: "a job that was overtaken" };
    const sent = (count: string) => send({ prefer: "respond-async", "x-stainless-retry-count": count }, overtaken);
    const [retry, first] = [await jobOf(await sent("1")), await jobOf(await sent("0"))];
    expect(first.id).to.equal(retry.id);
    await becomes(first.id, "completed");
    expect(house.orders()).to.equal(1);
  });

  it("show a request that was sent under the same key before, and was none", async () => {
    const key = { "idempotency-key": "first a request, then a job" };
    expect((await send(key)).status).to.equal(200);
    const again = await send({ ...key, prefer: "respond-async" });
    const { id, status } = await jobOf(again);
    expect([again.status, status]).to.deep.equal([200, "completed"]);
    expect((await get(`/v1/images/jobs/${id}`)).status).to.equal(200);
    expect(house.orders()).to.equal(1);
  });

  it("tell why they failed", async () => {
    house.handler = (_call, response) => reply(response, { error: { message: "no", code: "content_policy_violation" } }, 400);
    const { id } = await jobOf(await send({ prefer: "respond-async" }));
    expect((await becomes(id, "failed")).error?.code).to.equal("content_policy_violation");
    await errorOf(await send({ prefer: "respond-async" }, { ...ask, n: 99 }), 400, "integer_above_max_value", "n");
  });

  it("are cancelled, and their provider's answer is no longer waited for", async () => {
    const gone: true[] = [];
    house.handler = (_call, response) => void response.once("close", () => gone.push(true));
    const { id } = await jobOf(await send({ prefer: "respond-async" }));
    while (house.orders() === 0) await delay(10);
    const cancelled = await get(`/v1/images/jobs/${id}/cancel`, house.key, "POST");
    expect((await jobOf(cancelled)).status).to.equal("cancelled");
    while (gone.length === 0) await delay(10);
    expect((await becomes(id, "cancelled")).error?.code).to.equal("cancelled");
  });

  it("are the other process's where it took them over while this one stood still", async () => {
    let fail: (() => void) | undefined;
    house.handler = (_call, response) => void (fail = () => reply(response, { error: { message: "no" } }, 400));
    const { id } = await jobOf(await send({ prefer: "respond-async" }));
    await until(() => fail !== undefined);
    const { owner = "", leaseUntil = 0 } = (await house.ledger.find(id)) ?? {};
    const other = { owner: "another/1/x", until: Date.now() + 60_000 };
    expect(await house.ledger.takeOver({ id, owner, until: leaseUntil }, other)).to.include({ id });
    fail?.();
    await delay(100);
    expect(await house.ledger.find(id)).to.include({ status: "in_progress", owner: other.owner });
    await house.ledger.update(id, { status: "cancelled", endedAt: Date.now() });
  });

  it("are one where their key is one", async () => {
    const headers = { prefer: "respond-async", "idempotency-key": "a-job" };
    const [one, two] = [await jobOf(await send(headers)), await jobOf(await send(headers))];
    expect(two.id).to.equal(one.id);
    await becomes(one.id, "completed");
    expect(house.orders()).to.equal(1);
    await errorOf(await send(headers, { ...ask, prompt: "a dog" }), 422, "idempotency_key_reused", "idempotency-key");
  });

  it("are another client's to nobody", async () => {
    const { id } = await jobOf(await send({ prefer: "respond-async" }));
    for (const [path, method] of [
      [id, "GET"],
      [`${id}/cancel`, "POST"],
      [id, "DELETE"],
    ] as const)
      await errorOf(await get(`/v1/images/jobs/${path}`, "sk-other", method), 404, "not_found");
    const list = (await (await get("/v1/images/jobs", "sk-other")).json()) as { data: Job[] };
    expect(list.data).to.deep.equal([]);
    await becomes(id, "completed");
  });

  it("are listed, the newest first, page by page", async () => {
    const ids: string[] = [];
    for (let count = 0; count < 3; count += 1) {
      ids.unshift((await jobOf(await send({ prefer: "respond-async" }))).id);
      await delay(2);
    }
    const page = async (query: string) =>
      (await (await get(`/v1/images/jobs${query}`)).json()) as { data: Job[]; has_more: boolean; last_id: string };
    const first = await page("?limit=2");
    expect(first.data.map(({ id }) => id)).to.deep.equal(ids.slice(0, 2));
    expect(first.has_more).to.equal(true);
    expect((await page(`?limit=1&after=${first.last_id}`)).data[0]?.id).to.equal(ids[2]);
    await errorOf(await get("/v1/images/jobs?limit=0"), 400, "invalid_value", "limit");
    await errorOf(await get("/v1/images/jobs?after=nobody"), 400, "invalid_value", "after");
    for (const id of ids) await becomes(id, "completed");
  });

  it("are refused and not shown while the ledger is away, which the operator is told, and served when it is back", async () => {
    const { id } = await jobOf(await send({ prefer: "respond-async" }));
    await becomes(id, "completed");
    const standing = async () => {
      const { ledger } = (await (await get("/readyz", "sk-operator")).json()) as { ledger: object };
      return { ledger, up: await metric(house.url, "pictor_ledger_up"), lost: await metric(house.url, "pictor_ledger_rows_lost_total") };
    };
    expect(await standing()).to.deep.equal({ ledger: { available: true }, up: 1, lost: 0 });
    expect(await (await get("/readyz")).json()).to.not.have.property("ledger");
    house.reset();
    house.outage.isAway = true;
    const refused = [
      await send({ prefer: "respond-async" }),
      await send({ "idempotency-key": "while-away" }),
      await get(`/v1/images/jobs/${id}`),
      await get("/v1/images/jobs"),
      await get(`/v1/images/jobs/${id}/cancel`, house.key, "POST"),
      await get(`/v1/requests/${id}`),
    ];
    for (const response of refused) {
      expect(response.headers.get("retry-after")).to.equal("5");
      expect(response.headers.get("x-should-retry")).to.equal("true");
      await errorOf(response, 503, "ledger_unavailable");
    }
    expect(house.orders()).to.equal(0);
    // What its SDK may repeat is served all the same.
    expect((await send({ "x-stainless-retry-count": "0" })).status).to.equal(200);
    expect(await standing()).to.deep.equal({ ledger: { available: false }, up: 0, lost: 0 });
    house.outage.isAway = false;
    expect((await get(`/v1/images/jobs/${id}`)).status).to.equal(200);
    expect(await standing()).to.deep.equal({ ledger: { available: true }, up: 1, lost: 0 });
  });

  it("wait where the ledger goes away before their order leaves", async () => {
    Object.assign(house.outage, { isAway: true, only: /phase = \S+ started_at/ });
    const { id } = await jobOf(await send({ prefer: "respond-async" }));
    await delay(300);
    expect(house.orders()).to.equal(0);
    Object.assign(house.outage, { isAway: false, only: undefined });
    await becomes(id, "completed");
    expect(house.orders()).to.equal(1);
  });

  it("are not begun any more by a process that is told to end", async () => {
    const ending = await startDurableHouse();
    try {
      const jobs: Job[] = [];
      // It serves five at once.
      for (let count = 0; count < 6; count += 1)
        jobs.push(await jobOf(await ending.generate(ask, { headers: { prefer: "respond-async" } })));
      await until(() => ending.orders() === 5);
      ending.handOver();
      const headers = { authorization: `Bearer ${ending.key}` };
      await fetch(`${ending.url}/v1/images/jobs/${jobs[0]?.id}`, { method: "DELETE", headers });
      await delay(1500);
      expect(await jobOf(await fetch(`${ending.url}/v1/images/jobs/${jobs[5]?.id}`, { headers }))).to.include({ status: "queued" });
      expect(ending.orders()).to.equal(5);
    } finally {
      await ending.close();
    }
  });

  it("keep what they need, and give none of it to those who guess", async () => {
    const image = `data:image/png;base64,${(await sharp(png).rotate(90).png().toBuffer()).toString("base64")}`;
    const { id } = await jobOf(await send({ prefer: "respond-async" }, { ...ask, image }));
    await becomes(id, "completed");
    const links = await readdir(join(house.folder, "links"));
    const statuses = await Promise.all(
      links.map(async (name) => [(await fetch(`${house.url}/images/${name}`)).headers.get("content-type")]),
    );
    expect(new Set(statuses.flat())).to.deep.equal(new Set(["image/png", "application/json; charset=utf-8"]));
    for (const name of links) {
      const body = await (await fetch(`${house.url}/images/${name}`)).text();
      expect(body).to.not.include("a cat");
    }
  });
});
