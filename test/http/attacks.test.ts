// Attempts of a hostile or unlucky client with names, jobs and requests of others and of its own.
import { once } from "node:events";
import { connect } from "node:net";
import { expect } from "chai";
import { startDurableHouse, type DurableHouse } from "./durable-house.ts";
import { png, reply, until } from "./setup.ts";

const base64 = png.toString("base64");
const prompt = "a walrus that nobody else may hear of";
const ask = { model: "demo", prompt };
const [mine, theirs] = ["sk-test", "sk-other"];

interface Attempt {
  /** The path, in which `JOB` and `SYNC` stand for the ids of the first client's requests. */
  path?: string;
  method?: string;
  key?: string | null;
  headers?: Record<string, string>;
  body?: object;
  is: number;
  code?: string;
  /** Orders that the provider gets for it; none when omitted. */
  orders?: number;
  /** True where it is the first client's own, and may be shown. */
  own?: boolean;
}

const other = (path: string, more: Partial<Attempt> = {}): Attempt => ({ path, key: theirs, is: 404, code: "not_found", ...more });
const own = (path: string, more: Partial<Attempt> & { is: number }): Attempt => ({ path, own: true, ...more });
const order = (headers: Record<string, string>, more: Partial<Attempt> & { is: number }): Attempt => ({
  method: "POST",
  body: ask,
  headers,
  ...more,
});
const wrongKey = (text: string) => order({ "idempotency-key": text }, { is: 400, code: "invalid_value" });

const attempts: Record<string, Attempt> = {
  "another's job": other("/v1/images/jobs/JOB"),
  "another's job as a task of images": other("/v1/images/tasks/JOB"),
  "another's job as a task": other("/v1/tasks/JOB"),
  "another's job as a request": other("/v1/requests/JOB"),
  "another's request": other("/v1/requests/SYNC"),
  "another's request as a job": other("/v1/images/jobs/SYNC"),
  "another's request as a generation": other("/v1/generation?id=SYNC"),
  "the events of another's job": other("/v1/images/jobs/JOB/events"),
  "to cancel another's job": other("/v1/images/jobs/JOB/cancel", { method: "POST" }),
  "to delete another's job": other("/v1/images/jobs/JOB", { method: "DELETE" }),
  "a page after another's job": other("/v1/images/jobs?after=JOB", { is: 400, code: "invalid_value" }),
  "a page after another's request": other("/v1/requests?after=SYNC", { is: 400, code: "invalid_value" }),
  "the list of jobs, which is its own": other("/v1/images/jobs", { is: 200, code: undefined }),
  "the list of requests, which is its own": other("/v1/requests?limit=100", { is: 200, code: undefined }),
  "a job without a key": other("/v1/images/jobs/JOB", { key: null, is: 401, code: "invalid_api_key" }),
  "a job with a key that is none": other("/v1/images/jobs/JOB", { key: "sk-nobody", is: 401, code: "invalid_api_key" }),
  "a job with its id as the key": other("/v1/images/jobs/JOB", { key: "JOB", is: 401, code: "invalid_api_key" }),
  "a job with an empty key": other("/v1/images/jobs/JOB", { key: "", is: 401, code: "invalid_api_key" }),
  "the id of a job in capitals": own("/v1/images/jobs/JOB^", { is: 404, code: "not_found", own: false }),
  "a job whose id goes on": own("/v1/images/jobs/JOB0", { is: 404, code: "not_found" }),
  "a job whose id has an end of a text": own("/v1/images/jobs/JOB%00", { is: 400, code: "invalid_value" }),
  "a job whose id has a blank": own("/v1/images/jobs/JOB%20", { is: 404, code: "not_found" }),
  "a job whose id is a pattern": own("/v1/images/jobs/req_%25", { is: 404, code: "not_found" }),
  "a job whose id is a condition": own("/v1/images/jobs/'%20or%20'1'%3D'1", { is: 404, code: "not_found" }),
  "a job whose id is a path": own("/v1/images/jobs/..%2f..%2f..%2fetc%2fpasswd", { is: 404, code: "not_found" }),
  "a job whose id is too long": own(`/v1/images/jobs/${"a".repeat(8000)}`, { is: 404, code: "not_found" }),
  "a job by a method that there is none of": own("/v1/images/jobs/JOB", { method: "PUT", is: 405 }),
  "to send a job to the list": own("/v1/images/jobs", { method: "POST", body: ask, is: 405 }),
  "a page of none": own("/v1/images/jobs?limit=0", { is: 400, code: "invalid_value" }),
  "a page of too many": own("/v1/images/jobs?limit=101", { is: 400, code: "invalid_value" }),
  "a page of a word": own("/v1/images/jobs?limit=many", { is: 400, code: "invalid_value" }),
  "a page of less than one": own("/v1/images/jobs?limit=0.5", { is: 400, code: "invalid_value" }),
  "a page of infinity": own("/v1/images/jobs?limit=Infinity", { is: 400, code: "invalid_value" }),
  "a page of two sizes": own("/v1/images/jobs?limit=1&limit=2", { is: 400, code: "invalid_value" }),
  "a page after nothing": own("/v1/images/jobs?after=", { is: 400, code: "invalid_value" }),
  "a page after two": own("/v1/images/jobs?after=JOB&after=JOB", { is: 400, code: "invalid_value" }),
  "to cancel what is done": own("/v1/images/jobs/JOB/cancel", { method: "POST", is: 200 }),
  "to delete what is done": own("/v1/images/jobs/JOB", { method: "DELETE", is: 200 }),
  "the events of what is done": own("/v1/images/jobs/JOB/events", { is: 200 }),
  "the events behind one that never was": own("/v1/images/jobs/JOB/events", { headers: { "last-event-id": "999999999" }, is: 200 }),
  "the events behind a word": own("/v1/images/jobs/JOB/events", { headers: { "last-event-id": "' or 1=1" }, is: 200 }),
  "another's name of an order": order({ "idempotency-key": "order-1" }, { key: theirs, is: 200, orders: 1, own: true }),
  "another's name of a job": order({ "idempotency-key": "order-1", prefer: "respond-async" }, { key: theirs, is: 200, own: true }),
  "its own name again": order({ "idempotency-key": "order-1" }, { is: 200, own: true }),
  "its own name in quotes": order({ "idempotency-key": '"order-1"' }, { is: 200, own: true }),
  "its own name in capitals, which is another": order({ "idempotency-key": "ORDER-1" }, { is: 200, orders: 1, own: true }),
  "its own name for another prompt": order(
    { "idempotency-key": "order-1" },
    { body: { ...ask, prompt: "a dog" }, is: 422, code: "idempotency_key_reused" },
  ),
  "its own name for more pictures": order(
    { "idempotency-key": "order-1" },
    { body: { ...ask, n: 2 }, is: 422, code: "idempotency_key_reused" },
  ),
  "its own name for an edit": order(
    { "idempotency-key": "order-1" },
    { path: "/v1/images/edits", body: { ...ask, image: `data:image/png;base64,${base64}` }, is: 422, code: "idempotency_key_reused" },
  ),
  "a name that is empty": wrongKey(""),
  "a name that is empty, in quotes": wrongKey('""'),
  "a name that is too long": wrongKey("k".repeat(256)),
  "a name of another alphabet": wrongKey("\u00e9tude"),
  "a name with a tabulator": wrongKey("a\tb"),
  "a name that is a condition": order({ "idempotency-key": "' or '1'='1" }, { is: 200, orders: 1, own: true }),
  "a name that begins as ours do": order({ "idempotency-key": "key:order-1" }, { is: 200, orders: 1, own: true }),
  "a retry that is the first": order(
    { "x-stainless-retry-count": "1" },
    { body: { ...ask, prompt: "one" }, is: 200, orders: 1, own: true },
  ),
  "a retry of a number that is none": order(
    { "x-stainless-retry-count": "-1" },
    { body: { ...ask, prompt: "two" }, is: 200, orders: 1, own: true },
  ),
  "a retry of a word": order({ "x-stainless-retry-count": "many" }, { body: { ...ask, prompt: "three" }, is: 200, orders: 1, own: true }),
  "another's retry": order({ "x-stainless-retry-count": "2" }, { key: theirs, is: 200, orders: 1, own: true }),
  "a preference in capitals": order({ prefer: "RESPOND-ASYNC", "idempotency-key": "order-1" }, { is: 200, own: true }),
  "a preference of another kind": order({ prefer: "return=minimal, handling=strict" }, { is: 200, orders: 1, own: true }),
  "async as a word": order({}, { body: { ...ask, async: "yes" }, is: 400, code: "unknown_parameter" }),
  "async that is none": order({}, { body: { ...ask, async: false }, is: 200, orders: 1, own: true }),
  "a webhook without a job": order({}, { body: { ...ask, webhook: "orders" }, is: 400 }),
  "a webhook that is not its own": order(
    { prefer: "respond-async" },
    { body: { ...ask, webhook: "orders" }, is: 400, code: "invalid_value" },
  ),
  "a channel that it may not choose": order({ "x-pictor-channel": "acme" }, { is: 403, code: "channel_not_allowed" }),
};

describe("http: attempts on jobs and names", () => {
  let house: DurableHouse;
  const ids = { JOB: "", SYNC: "" };
  const send = ({ path = "/v1/images/generations", method = "GET", key = mine, headers, body }: Partial<Attempt>) =>
    fetch(house.url + path.replace(/JOB\^/, ids.JOB.toUpperCase()).replaceAll("JOB", ids.JOB).replaceAll("SYNC", ids.SYNC), {
      method,
      headers: {
        ...(key !== null && { authorization: `Bearer ${key.replace("JOB", ids.JOB)}` }),
        ...(body && { "content-type": "application/json" }),
        ...headers,
      },
      body: body && JSON.stringify(body),
    });
  const statusOf = async () => ((await (await send({ path: "/v1/images/jobs/JOB" })).json()) as { status: string }).status;

  before(async () => {
    house = await startDurableHouse();
    house.clients.set(mine, { mayPin: false });
    house.handler = (_call, response) => reply(response, { created: 7, data: [{ b64_json: base64 }] });
    const post = (headers: Record<string, string>) => send({ method: "POST", body: ask, headers });
    ids.SYNC = (await post({ "idempotency-key": "order-1" })).headers.get("x-request-id") ?? "";
    ids.JOB = ((await (await post({ prefer: "respond-async" })).json()) as { id: string }).id;
    await until(async () => (await statusOf()) === "completed");
  });
  after(() => house.close());

  for (const [what, attempt] of Object.entries(attempts))
    it(what, async () => {
      const before = house.orders();
      const response = await send(attempt);
      const text = await response.text();
      expect(response.status, text).to.equal(attempt.is);
      if (attempt.code !== undefined) expect((JSON.parse(text) as { error: { code: string } }).error.code).to.equal(attempt.code);
      if (!attempt.own) for (const secret of [prompt, base64]) expect(text).not.to.include(secret);
      if (attempt.key === theirs && attempt.is < 300) for (const id of Object.values(ids)) expect(text).not.to.include(id);
      expect(house.orders() - before).to.equal(attempt.orders ?? 0);
      expect(await statusOf()).to.equal("completed");
    });

  it("two names in one request are no name of either", async () => {
    const before = house.orders();
    const socket = connect(Number(new URL(house.url).port), "127.0.0.1");
    const body = JSON.stringify(ask);
    const head = ["POST /v1/images/generations HTTP/1.1", "host: a", `authorization: Bearer ${mine}`, "content-type: application/json"];
    socket.write(
      [...head, "idempotency-key: order-1", "idempotency-key: order-2", `content-length: ${body.length}`, "", body].join("\r\n"),
    );
    expect(String(await once(socket, "data"))).to.match(/^HTTP\/1.1 (?:200|400)/);
    expect(house.orders() - before).to.be.at.most(1);
    socket.destroy();
  });
});
