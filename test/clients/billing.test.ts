// Tools that ask other gateways what a key may spend and has spent, with the very requests that they send.
import { expect } from "chai";
import type { Budget } from "../../src/ledger/spending.ts";
import type { RequestRow } from "../../src/ledger/row.ts";
import { startDurableHouse, type DurableHouse } from "../http/durable-house.ts";
import { errorOf, png, reply, withMore } from "../http/setup.ts";
import { rowAt } from "../ledger/suite.ts";

const today = "2026-11-25"; // A Wednesday.

describe("clients that ask what was spent", () => {
  let house: DurableHouse;
  let unpriced: string;
  let spent: string;
  before(async () => {
    house = await startDurableHouse();
    house.gateway.routing.date = () => Date.parse(`${today}T12:00:00Z`);
    await add("2026-10-30T12:00:00Z", { costNanos: 1e9 });
    await add("2026-11-20T12:00:00Z", { costNanos: 0.25e9 });
    await add("2026-11-23T00:00:00Z", { costNanos: 0.5e9 });
    const usage = { input_tokens: 20, input_tokens_details: { text_tokens: 20 }, output_tokens: 4000 };
    spent = await add(`${today}T00:00:00Z`, { costNanos: 0.125e9, usage, channel: "acme" });
    unpriced = await add("2026-11-24T12:00:00Z", { costFrom: "unpriced" }, "sk-other");
  });
  after(() => house.close());

  async function add(at: string, more: Partial<RequestRow>, key = house.key): Promise<string> {
    const time = Date.parse(at);
    const client = house.gateway.keys.find(key)!.id;
    const ended = { status: "completed", startedAt: time + 1000, endedAt: time + 9000, expiresAt: Date.now() + 1e9 } as const;
    const row = rowAt(time, { client, model: "demo", made: 1, costFrom: "usage", ...ended, ...more });
    await house.ledger.add(row);
    return row.id;
  }

  const get = (path: string, key = house.key) => fetch(house.url + path, { headers: { authorization: `Bearer ${key}` } });
  const json = async <Body>(path: string, key?: string) => (await (await get(path, key)).json()) as Body;

  describe("NextChat (app/client/platforms/openai.ts at 5af9d07)", () => {
    /** Both answers must be 200. It divides cents by 100, and shows `[?]` where there is no number. */
    async function shown(base: string, key = house.key) {
      const headers = { accept: "application/json", "content-type": "application/json", authorization: `Bearer ${key}` };
      const [used, subscription] = await Promise.all(
        ["dashboard/billing/usage?start_date=2026-11-01&end_date=2026-11-26", "dashboard/billing/subscription"].map((path) =>
          fetch(`${base}/${path}`, { headers }),
        ),
      );
      expect([used?.status, subscription?.status]).to.deep.equal([200, 200]);
      const { total_usage: cents } = (await used?.json()) as { total_usage?: number };
      const { hard_limit_usd: limit } = (await subscription?.json()) as { hard_limit_usd?: number };
      return { used: cents === undefined ? "[?]" : Math.round(cents) / 100, limit };
    }

    it("shows what was spent this month, of a limit that stands for none", async () => {
      expect(await shown(house.url)).to.deep.equal({ used: 0.88, limit: 100_000_000 });
      expect(await shown(`${house.url}/v1`)).to.deep.equal({ used: 0.88, limit: 100_000_000 });
    });

    it("shows that it is not known where nothing is", async () => {
      expect(await shown(house.url, "sk-other")).to.deep.equal({ used: "[?]", limit: 100_000_000 });
    });
  });

  describe("relays that pass requests on to a gateway", () => {
    it("One API: what is left is the limit without what was ever spent", async () => {
      const { hard_limit_usd: limit } = await json<{ hard_limit_usd: number }>("/v1/dashboard/billing/subscription");
      const { total_usage: cents } = await json<{ total_usage: number }>(
        "/v1/dashboard/billing/usage?start_date=2026-08-17&end_date=2026-11-25",
      );
      expect(limit - cents / 100).to.equal(100_000_000 - 1.875);
      expect((await json<{ total_usage: number }>("/dashboard/billing/usage")).total_usage).to.equal(187.5);
    });

    it("New API: a quota in units, of which its status says how many are a USD", async () => {
      const { code, data } = await json<{ code: boolean; data: Record<string, unknown> }>("/api/usage/token/");
      const { success, data: status } = await json<{ success: boolean; data: { quota_per_unit: number; quota_display_type: string } }>(
        "/api/status",
      );
      expect([code, success, status.quota_display_type]).to.deep.equal([true, true, "USD"]);
      expect(data).to.deep.equal({
        object: "token_usage",
        name: "key-1",
        total_granted: 1.875 * status.quota_per_unit,
        total_used: 1.875 * status.quota_per_unit,
        total_available: 0,
        unlimited_quota: true,
        model_limits: {},
        model_limits_enabled: false,
        expires_at: 0,
      });
    });

    it("New API: the models and the end of a key", async () => {
      const expires = Date.parse("2099-01-01T00:00:00Z");
      house.clients.set(house.key, { allows: (model) => model === "demo", expires });
      const { data } = await json<{ data: Record<string, unknown> }>("/api/usage/token");
      const subscription = await json<{ access_until: number }>("/v1/dashboard/billing/subscription");
      const { data: key } = await json<{ data: { expires_at: string } }>("/v1/key");
      house.clients.clear();
      expect(data).to.include({ model_limits_enabled: true, expires_at: expires / 1000 });
      expect(data.model_limits).to.deep.equal({ demo: true });
      expect([subscription.access_until, key.expires_at]).to.deep.equal([expires / 1000, "2099-01-01T00:00:00.000Z"]);
    });
  });

  describe("OpenRouter's SDK (getcurrentkey.ts at 043d81e, getgeneration.ts at 02d5b14)", () => {
    it("reads the limit of a key, and what it spent of this day, week and month", async () => {
      for (const path of ["/api/v1/key", "/v1/key", "/api/v1/auth/key", "/v1/auth/key"]) {
        const { data } = await json<{ data: Record<string, unknown> }>(path);
        expect(data, path).to.include({ label: "key-1", limit: null, limit_remaining: null, limit_reset: null });
        expect(data).to.include({ usage: 1.875, usage_daily: 0.125, usage_weekly: 0.625, usage_monthly: 0.875, unpriced_requests: 0 });
        // Its schema refuses an answer without these.
        for (const name of ["byok_usage", "byok_usage_daily", "byok_usage_weekly", "byok_usage_monthly"]) expect(data[name]).to.equal(0);
        for (const name of ["is_free_tier", "is_provisioning_key", "include_byok_in_limit"]) expect(data[name]).to.equal(false);
        expect(data.rate_limit).to.have.all.keys("requests", "interval", "note");
      }
      expect((await json<{ data: object }>("/v1/key", "sk-other")).data).to.include({ usage: 0, unpriced_requests: 1 });
    });

    it("reads what a generation cost", async () => {
      const { data } = await json<{ data: Record<string, unknown> }>(`/api/v1/generation?id=${spent}`);
      expect(data).to.include({ id: spent, model: "demo", api_type: "image", created_at: `${today}T00:00:00.000Z`, provider_name: "acme" });
      expect(data).to.include({ total_cost: 0.125, usage: 0.125, latency: 9000, generation_time: 8000, num_media_completion: 1 });
      expect(data).to.include({ tokens_prompt: 20, tokens_completion: 4000, native_tokens_completion_images: 4000, finish_reason: "stop" });
      expect(data).to.include({ cancelled: false, streamed: null, upstream_id: null, is_byok: false, origin: "", router: null });
    });

    it("finds no cost where nobody knows it, and 0 where nothing was ordered", async () => {
      const dataOf = async (more: Partial<RequestRow>) =>
        (await json<{ data: object }>(`/v1/generation?id=${await add(`${today}T01:00:00Z`, more, "sk-other")}`, "sk-other")).data;
      expect((await json<{ data: object }>(`/v1/generation?id=${unpriced}`, "sk-other")).data).to.include({
        total_cost: null,
        usage: null,
      });
      const refused = { error: { message: "no", type: "t", param: null, code: "content_policy_violation" } };
      const failed = { status: "failed", costFrom: undefined, made: undefined } as const;
      expect(await dataOf({ ...failed, error: refused })).to.include({
        total_cost: 0,
        finish_reason: "content_filter",
        tokens_prompt: null,
      });
      expect(await dataOf({ ...failed, startedAt: undefined })).to.include({
        finish_reason: "error",
        num_media_completion: 0,
        provider_name: null,
      });
      expect(await dataOf({ repeats: unpriced, costFrom: undefined })).to.include({ total_cost: null });
    });

    it("finds nothing of another client, of a request that is not over, and without an id", async () => {
      await errorOf(await get(`/api/v1/generation?id=${spent}`, "sk-other"), 404, "not_found");
      const underWay = await add(`${today}T02:00:00Z`, { status: "in_progress", endedAt: undefined });
      await errorOf(await get(`/v1/generation?id=${underWay}`), 404, "not_found");
      await errorOf(await get("/v1/generation"), 400, "missing_required_parameter", "id");
    });
  });

  describe("with a budget", () => {
    /** A range as NextChat asks for, and one of a hundred days, as relays do. */
    const [month, hundredDays] = ["start_date=2026-11-01&end_date=2026-11-26", "start_date=2026-08-17&end_date=2026-11-25"];
    const give = (...budgets: Budget[]) => house.clients.set(house.key, { budgets });
    const spentIn = async (range: string) => (await json<{ total_usage: number }>(`/dashboard/billing/usage?${range}`)).total_usage / 100;
    const limit = async () => (await json<{ hard_limit_usd: number }>("/v1/dashboard/billing/subscription")).hard_limit_usd;
    const key = async () => (await json<{ data: object }>("/v1/key")).data;
    afterEach(() => house.clients.clear());

    it("of a month: what is left is the limit without what was spent, in whatever range", async () => {
      give({ per: "month", nanos: 10e9 });
      expect([await limit(), await spentIn(month), await spentIn(hundredDays)]).to.deep.equal([10, 0.875, 0.875]);
      expect(await spentIn("start_date=2026-11-20&end_date=2026-11-23")).to.equal(0.75);
      expect(await key()).to.include({ limit: 10, limit_remaining: 9.125, limit_reset: "monthly", usage_monthly: 0.875 });
      const { data } = await json<{ data: object }>("/api/usage/token/");
      expect(data).to.include({ total_granted: 5_000_000, total_used: 437_500, total_available: 4_562_500, unlimited_quota: false });
    });

    it("of several times: the one of which the least is left", async () => {
      give({ per: "day", nanos: 0.1e9 }, { per: "month", nanos: 10e9 });
      expect(await key()).to.include({ limit: 0.1, limit_remaining: 0, limit_reset: "daily" });
      expect([await limit(), await spentIn(month)]).to.deep.equal([0.1, 0.125]);
      const { data } = await json<{ data: object }>("/api/usage/token/");
      expect(data).to.include({ total_granted: 50_000, total_used: 50_000, total_available: 0, unlimited_quota: false });
    });

    it("in total: what was spent this month, and over a hundred days all of it", async () => {
      give({ per: "total", nanos: 5e9 });
      expect([await limit(), await spentIn(month), await spentIn(hundredDays)]).to.deep.equal([5, 0.875, 1.875]);
      expect(await key()).to.include({ limit: 5, limit_remaining: 3.125, limit_reset: null });
    });
  });

  it("get nothing without a key, and nothing that a cache may keep", async () => {
    for (const path of [
      "/dashboard/billing/usage",
      "/v1/dashboard/billing/subscription",
      "/api/usage/token/",
      "/api/status",
      "/api/v1/key",
    ]) {
      await errorOf(await get(path, "sk-nobody"), 401, "invalid_api_key");
      expect((await get(path)).headers.get("cache-control"), path).to.equal("no-store");
    }
    await errorOf(await get("/dashboard/billing/usage?start_date=2026-13-01"), 400, "invalid_value", "start_date");
  });
});

describe("clients that bill what they pass on: LiteLLM's proxy (cost_calculator.py)", () => {
  let house: DurableHouse;
  before(async () => {
    house = await startDurableHouse(withMore("price: [{ bill: output_image, usd: 0.04, when: request.n == 1 }]"));
    const table = house.gateway.table();
    // As `cost_header` in gateway.yaml says.
    house.gateway.table = () => ({ ...table, costHeader: "x-litellm-response-cost" });
    house.handler = (_call, response) => reply(response, { created: 7, data: [{ b64_json: png.toString("base64") }] });
  });
  after(() => house.close());

  /** The cost that it books: the header as a number, where there is one; else it looks into a list of prices. */
  async function booked(body: object) {
    const response = await house.generate({ model: "demo", prompt: "a cat", ...body });
    const header = response.headers.get("x-litellm-response-cost");
    const { usage } = (await response.json()) as { usage?: { cost?: number } };
    return { booked: header === null ? undefined : Number(header), cost: usage?.cost };
  }

  it("reads the header", async () => {
    expect(await booked({})).to.deep.equal({ booked: 0.04, cost: 0.04 });
    expect(await booked({ response_format: "b64_json" })).to.deep.equal({ booked: 0.04, cost: 0.04 });
  });

  it("reads what may have to be paid for", async () => {
    const { handler } = house;
    house.handler = (_call, response) => reply(response, { error: { message: "out of order" } }, 500);
    expect((await booked({ user: "another" })).booked).to.equal(0.04);
    house.handler = handler;
  });

  it("finds no header where nobody knows the price", async () => {
    expect(await booked({ n: 2 })).to.deep.equal({ booked: undefined, cost: undefined });
  });
});
