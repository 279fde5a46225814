import { expect } from "chai";
import { listRequests, showRequest, type RequestsOptions } from "../../src/cli/requests.ts";
import { startDurableHouse, type DurableHouse } from "../http/durable-house.ts";
import { rowAt } from "../ledger/suite.ts";
import { pictor } from "./commands.ts";

const env = { PICTOR_ADMIN_KEY: "sk-operator" };
const began = 1_800_000_000_000;
const plain = (line: string) => line.replaceAll(/\u001b\[\d+m/g, "");

describe("pictor requests", () => {
  let house: DurableHouse;
  before(async () => {
    house = await startDurableHouse();
    const done = { status: "completed", channel: "one", attempts: "one ok", made: 1, endedAt: began + 1500, httpStatus: 200 } as const;
    await house.ledger.add(rowAt(began, { id: "req_done", client: "a", model: "m", costNanos: 40_000_000, costFrom: "pictures", ...done }));
    const error = { error: { message: "no", type: "upstream_error", param: null, code: "upstream_timeout" } };
    const failed = { status: "unknown", endedAt: began + 3000, httpStatus: 504, costFrom: "uncertain", error, traceId: "0af7" } as const;
    await house.ledger.add(rowAt(began + 1000, { id: "req_lost", client: "b", model: "m", ...failed }));
  });
  after(() => house.close());

  const list = async (options: RequestsOptions = {}) => {
    const lines: string[] = [];
    await listRequests(house.url, options, env, (line) => lines.push(plain(line)));
    return lines;
  };

  it("lists them, the newest first, with cost and reason", async () => {
    const [lost = "", done = "", ...more] = await list();
    expect(more).to.deep.equal([]);
    expect(lost).to.match(/^2027-01-15T08:00:01Z failed req_lost b generate m: 0 of 1, 2\.0 s, uncertain, 504 upstream_timeout: no$/);
    expect(done).to.match(/^2027-01-15T08:00:00Z completed req_done a generate m: 1 of 1, 1\.5 s, \$0\.04, one ok$/);
  });

  it("lists some of them", async () => {
    const ids = async (options: RequestsOptions) =>
      (await list({ ...options, json: true })).map((line) => (JSON.parse(line) as { id: string }).id);
    expect(await ids({ failed: true })).to.deep.equal(["req_lost"]);
    expect(await ids({ client: "a", model: "m", channel: "one", status: "completed" })).to.deep.equal(["req_done"]);
    expect(await ids({ since: String(began / 1000 + 1), until: "2027-01-16" })).to.deep.equal(["req_lost"]);
    expect(await ids({ trace: "0af7" })).to.deep.equal(["req_lost"]);
    expect(await ids({ limit: "1" })).to.deep.equal(["req_lost"]);
    expect(await list({ client: "nobody" })).to.deep.equal(["no requests"]);
  });

  it("shows one whole, also one that failed", async () => {
    const lines: string[] = [];
    await showRequest(house.url, "req_lost", env, (line) => lines.push(line));
    expect(JSON.parse(lines.join(""))).to.deep.include({ id: "req_lost", uncertain: true, client: "b" });
    const ran = await pictor(["requests", "req_done", "--url", house.url], { CI: "true", ...env });
    expect(JSON.parse(ran.out)).to.deep.include({ id: "req_done", http_status: 200 });
  });

  it("says why it does not", async () => {
    const problemOf = (work: Promise<void>) => work.then(String, (error: unknown) => (error as Error).message);
    expect(await problemOf(showRequest(house.url, "req_none", env, () => undefined))).to.include("there is no such request");
    expect(await problemOf(list({ since: "yesterday" }).then(() => undefined))).to.include("since must be Unix seconds or a date");
    expect(await problemOf(listRequests(house.url, {}, {}, () => undefined))).to.include("set PICTOR_ADMIN_KEY");
  });
});
