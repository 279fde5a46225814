// Budgets of clients over HTTP: which requests are ordered, and what each is charged.
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { budgetStates } from "../../src/gateway/budget.ts";
import type { Client } from "../../src/gateway/client.ts";
import type { Budget } from "../../src/ledger/spending.ts";
import { startDurableHouse, type DurableHouse } from "./durable-house.ts";
import { errorOf, metric, png, reply, startHouse, until, withMore } from "./setup.ts";

const base64 = png.toString("base64");
const ask = { model: "demo", prompt: "a cat" };
const usd = 1_000_000_000;

describe("http: budgets of clients", () => {
  let house: DurableHouse;
  before(async () => {
    house = await startDurableHouse(withMore("price: [{ bill: output_image, usd: 1 }]\n"));
    const table = house.gateway.table();
    house.gateway.table = () => ({ ...table, repeatWithin: 60_000 });
  });
  after(() => house.close());

  const makePictures: DurableHouse["handler"] = ({ body }, response) => {
    const { n = 1 } = JSON.parse(body) as { n?: number };
    reply(response, { created: 7, data: Array.from({ length: n }, () => ({ b64_json: base64 })) });
  };
  let tests = 0;
  beforeEach(() => {
    house.reset();
    house.handler = makePictures;
    tests += 1;
  });

  /** Gives the usual key a budget of so many dollars more than it has spent. */
  async function give(dollars: number, more: Partial<Client> = {}): Promise<void> {
    const { spent } = await figures();
    rights({ budgets: [{ per: "total", nanos: spent * usd + dollars * usd }], ...more });
  }
  const rights = (more: Partial<Client>) => house.clients.set(house.key, more);
  const id = () => house.gateway.keys.find(house.key)?.id ?? "";

  async function figures(): Promise<{ spent: number; reserved: number }> {
    const { spent = 0, reserved = 0 } = (await house.ledger.spending.of(id(), Date.now())).find(({ per }) => per === "total") ?? {};
    return { spent: spent / usd, reserved: reserved / usd };
  }

  /** The figures once no request is under way. */
  async function settled(): Promise<number> {
    await until(async () => (await figures()).reserved === 0);
    return (await figures()).spent;
  }

  const jobOf = async (answer: Promise<Response>) => ((await (await answer).json()) as { id: string }).id;

  it("let ten pictures through of fifty that are asked for at once", async () => {
    await give(10);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        // As curl, an SDK and careful clients ask.
        house.generate(ask, {
          headers: index % 3 === 0 ? {} : index % 3 === 1 ? { "x-stainless-retry-count": "0" } : { "idempotency-key": `burst-${index}` },
          body: JSON.stringify({ ...ask, prompt: `cat ${index}` }),
        }),
      ),
    );
    const made = answers.filter(({ status }) => status === 200);
    expect(made).to.have.length(10);
    for (const answer of made) {
      expect(answer.headers.get("x-pictor-cost")).to.equal("1");
      expect(((await answer.json()) as { data: { b64_json: string }[] }).data[0]?.b64_json).to.equal(base64);
    }
    expect(house.orders()).to.equal(10);
    const refused = answers.filter(({ status }) => status !== 200);
    for (const answer of refused) {
      expect(answer.headers.get("x-should-retry")).to.equal("false");
      expect(answer.headers.get("retry-after")).to.equal(null);
      const { type } = await errorOf(answer, 429, "insufficient_quota");
      expect(type).to.equal("insufficient_quota");
    }
    await until(async () => (await figures()).reserved === 0);
    const message = (await errorOf(await house.generate(ask), 429, "insufficient_quota")).message;
    expect(message).to.match(
      /^this request can cost 1 USD; of this key's budget of \d+ USD in total 0 USD are left, and it never begins anew$/,
    );
  });

  it("say of each budget how much is left and when it begins anew", async () => {
    const { spent } = await figures();
    const budgets: Budget[] = [
      { per: "day", nanos: spent * usd + 1.5 * usd },
      { per: "month", nanos: spent * usd + 50 * usd },
    ];
    rights({ budgets });
    let finish = () => {};
    house.handler = async (call, response, request) => {
      await new Promise<void>((resolve) => (finish = resolve));
      await makePictures(call, response, request);
    };
    const first = house.generate(ask);
    await until(() => house.orders() === 1);
    const now = new Date();
    const tomorrow = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1)).toISOString();
    const { message } = await errorOf(await house.generate(ask), 429, "insufficient_quota");
    expect(message).to.include("0.5 USD are left (1 USD are reserved for requests under way), and it begins anew at");
    expect(message).to.include(tomorrow).and.to.include("USD a month 49 USD are left");
    const states = await budgetStates({ id: id(), budgets }, Date.now(), house.ledger.spending);
    expect(states.map(({ per, left, reserved }) => [per, left, reserved])).to.deep.equal([
      ["day", 0.5 * usd, usd],
      ["month", 49 * usd, usd],
    ]);
    expect(await metric(house.url, 'pictor_budget_left_usd{key="key-1"}')).to.equal(0.5);
    finish();
    expect((await first).status).to.equal(200);
    expect(await settled()).to.equal(spent + 1);
    expect(await budgetStates({ id: id() }, Date.now(), house.ledger.spending)).to.deep.equal([]);
  });

  it("charge what was made, of several pictures those that came", async () => {
    await give(9);
    const before = await settled();
    house.handler = (_call, response) => reply(response, { data: [{ b64_json: base64 }, { b64_json: base64 }] });
    expect((await house.generate({ ...ask, n: 4 })).status).to.equal(200);
    expect(await settled()).to.equal(before + 2);
  });

  it("charge an edit, a stream and a job as any other", async () => {
    await give(9);
    const before = await settled();
    const form = new FormData();
    form.set("model", "demo");
    form.set("prompt", "the same at night");
    form.set("image", new Blob([png], { type: "image/png" }), "cat.png");
    house.handler = (_call, response) => reply(response, { data: [{ b64_json: base64 }] });
    const headers = { authorization: `Bearer ${house.key}` };
    const edit = await fetch(`${house.url}/v1/images/edits`, { method: "POST", body: form, headers });
    expect(edit.status).to.equal(200);
    const stream = await house.generate({ ...ask, stream: true });
    expect(await stream.text())
      .to.include("image_generation.completed")
      .and.to.include('"cost":1');
    const job = await house.generate(ask, { headers: { prefer: "respond-async, wait=10" } });
    expect(job.status).to.equal(200);
    expect(await settled()).to.equal(before + 3);
    await give(0);
    await errorOf(await house.generate(ask, { headers: { prefer: "respond-async" } }), 429, "insufficient_quota");
    expect(await (await house.generate({ ...ask, stream: true })).text()).to.include("insufficient_quota");
    expect(house.orders()).to.equal(3);
  });

  it("charge nothing where nothing was made, and all that was reserved where nobody knows", async () => {
    await give(9);
    const before = await settled();
    house.handler = (_call, response) => reply(response, { error: { message: "no" } }, 400);
    await house.generate(ask);
    expect(await settled()).to.equal(before);
    house.handler = (_call, response) => reply(response, { error: { message: "broken" } }, 500);
    const broken = { ...ask, prompt: "a broken cat" };
    expect((await house.generate(broken)).headers.get("x-should-retry")).to.equal("false");
    expect(await settled()).to.equal(before + 1);
    // The same once more is given the outcome of that, and costs nothing.
    house.handler = makePictures;
    expect((await house.generate(broken)).status).to.equal(502);
    expect(await settled()).to.equal(before + 1);
    expect(house.orders()).to.equal(2);
  });

  it("charge once what is asked for again under its name, while it is under way and after", async () => {
    await give(1);
    const before = await settled();
    house.handler = async (call, response, request) => {
      await delay(100);
      await makePictures(call, response, request);
    };
    const headers = { "idempotency-key": `once-${tests}` };
    const answers = await Promise.all(Array.from({ length: 5 }, () => house.generate(ask, { headers })));
    answers.push(await house.generate(ask, { headers }));
    expect(answers.map(({ status }) => status)).to.deep.equal(answers.map(() => 200));
    expect(await settled()).to.equal(before + 1);
    expect(house.orders()).to.equal(1);
  });

  it("keep what a client that hung up may have ordered, and give the same request no second order", async () => {
    await give(5);
    const before = await settled();
    house.handler = () => undefined;
    const lost = { ...ask, prompt: "a lost cat" };
    const hangUp = new AbortController();
    const gone = house.generate(lost, { signal: hangUp.signal }).catch(() => undefined);
    await until(() => house.orders() === 1);
    expect(await figures()).to.deep.equal({ spent: before, reserved: 1 });
    hangUp.abort();
    await gone;
    expect(await settled()).to.equal(before + 1);
    house.handler = makePictures;
    expect((await house.generate(lost, { headers: { "x-stainless-retry-count": "1" } })).status).to.equal(502);
    expect(house.orders()).to.equal(1);
    // A client that has gone before its request was begun leaves nothing.
    const early = new AbortController();
    const never = house.generate({ ...ask, prompt: "another cat" }, { signal: early.signal }).catch(() => undefined);
    early.abort();
    await never;
    await until(async () => (await figures()).reserved === 0);
  });

  it("give back what a job had reserved that was cancelled before its order left", async () => {
    await give(5);
    const before = await settled();
    house.handler = () => undefined;
    // All that this process serves at once are under way already.
    rights({ budgets: [{ per: "total", nanos: 1000 * usd }] });
    const jobs: string[] = [];
    for (let index = 0; index < 7; index += 1)
      jobs.push(await jobOf(house.generate({ ...ask, prompt: `cat ${index}` }, { headers: { prefer: "respond-async" } })));
    await until(() => house.orders() === 5);
    expect((await figures()).reserved).to.equal(7);
    const cancel = (job: string) =>
      fetch(`${house.url}/v1/images/jobs/${job}/cancel`, { method: "POST", headers: { authorization: `Bearer ${house.key}` } });
    for (const job of jobs.toReversed()) await cancel(job);
    expect(await settled()).to.equal(before + 5);
  });

  it("refuse with a 503 while the ledger is away, where a key without a budget is served", async () => {
    await give(5);
    house.outage.isAway = true;
    try {
      for (const headers of [{}, { "x-stainless-retry-count": "0" }, { prefer: "respond-async" }] as Record<string, string>[])
        await errorOf(await house.generate(ask, { headers }), 503, "ledger_unavailable");
      expect(house.orders()).to.equal(0);
      expect((await house.generate(ask, { headers: { authorization: "Bearer sk-other" } })).status).to.equal(200);
    } finally {
      house.outage.isAway = false;
    }
    // A connection that broke may have written it all the same: that is taken back.
    Object.assign(house.outage, { isAway: true, writes: true, only: /insert into requests/ });
    try {
      await errorOf(await house.generate(ask), 503, "ledger_unavailable");
    } finally {
      Object.assign(house.outage, { isAway: false, writes: false, only: undefined });
    }
    await until(async () => (await figures()).reserved === 0);
  });

  it("show how much was left while the ledger is away", async () => {
    await give(5);
    await settled();
    const left = () => metric(house.url, 'pictor_budget_left_usd{key="key-1"}');
    expect(await left()).to.equal(5);
    house.outage.isAway = true;
    try {
      expect([await left(), await left()]).to.deep.equal([5, 5]);
    } finally {
      house.outage.isAway = false;
    }
  });

  it("refuse everything where nothing is kept", async () => {
    const client = { ...house.gateway.keys.find(house.key)!, budgets: [{ per: "day" as const, nanos: usd }] };
    const other = await startHouse(undefined, { keys: { find: () => client, byId: () => client, budgeted: () => [client] } });
    try {
      await errorOf(await other.generate(ask), 503, "ledger_unavailable");
      expect(other.provider.calls).to.deep.equal([]);
    } finally {
      await other.close();
    }
  });

  it("book a picture whose end could not be written as soon as the ledger is back", async () => {
    await give(5);
    const before = await settled();
    Object.assign(house.outage, { only: /^(update requests set status|insert into requests)/ });
    house.handler = async (call, response, request) => {
      house.outage.isAway = true;
      await makePictures(call, response, request);
    };
    try {
      expect((await house.generate(ask)).status).to.equal(200);
      expect(await figures()).to.deep.equal({ spent: before, reserved: 1 });
    } finally {
      Object.assign(house.outage, { isAway: false, only: undefined });
    }
    await house.ledger.settled();
    expect(await settled()).to.equal(before + 1);
  });

  it("leave a key without a budget no row to wait for", async () => {
    rights({});
    const { length } = await house.ledger.list({ limit: 1000 });
    Object.assign(house.outage, { isAway: true });
    try {
      expect((await house.generate(ask)).status).to.equal(200);
    } finally {
      house.outage.isAway = false;
    }
    await house.ledger.settled();
    expect((await house.ledger.list({ limit: 1000 })).length).to.equal(length + 1);
  });
});
