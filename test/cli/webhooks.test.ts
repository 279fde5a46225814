import { expect } from "chai";
import { listDeliveries, redeliver, type ListOptions } from "../../src/cli/webhooks.ts";
import { startDurableHouse, type DurableHouse } from "../http/durable-house.ts";
import { rowAt } from "../ledger/suite.ts";
import { pictor } from "./commands.ts";

const env = { PICTOR_ADMIN_KEY: "sk-operator" };
const ended = 1_800_000_000_000;

describe("pictor webhooks", () => {
  let house: DurableHouse;
  let ids: string[];
  before(async () => {
    house = await startDurableHouse();
    house.handOver(); // Nothing is sent.
    for (const [index, webhook] of ["orders", "https://hooks.example/secret"].entries()) {
      const row = rowAt(ended, { id: `req_${index}`, job: true, webhook });
      await house.ledger.add(row);
      await house.ledger.update(row.id, { status: "completed", endedAt: ended + index * 1000 });
    }
    const [second, first] = await house.ledger.deliveries.list({ limit: 2 });
    await house.ledger.deliveries.settle(first!, { status: "failed", nextAt: 0, answer: 500, reason: "it answered with status 500" });
    ids = [first!.id, second!.id];
  });
  after(() => house.close());

  const list = async (options: ListOptions = {}) => {
    const lines: string[] = [];
    await listDeliveries(house.url, options, env, (line) => lines.push(line));
    return lines;
  };
  const plain = (line: string) => line.replaceAll(/\u001b\[\d+m/g, "");
  const problemOf = (work: Promise<void>) =>
    work.then(
      () => "none",
      (error: unknown) => (error as Error).message,
    );

  it("lists events, the newest first, without what a URL may hide", async () => {
    expect((await list()).map(plain)).to.deep.equal([
      `2027-01-15T08:00:01Z waiting ${ids[1]} image.job.completed req_1 to https://hooks.example: 0 attempts, next 2027-01-15T08:00:01Z`,
      `2027-01-15T08:00:00Z failed ${ids[0]} image.job.completed req_0 to orders: 0 attempts, it answered with status 500`,
    ]);
    expect(await list({ status: "delivered" })).to.deep.equal(["no events"]);
    const [json = ""] = await list({ json: true, limit: "1" });
    expect((JSON.parse(json) as { id: string }[]).map(({ id }) => id)).to.deep.equal([ids[1]]);
    const ran = await pictor(["webhooks", "--limit", "1"], { CI: "true", PORT: new URL(house.url).port, ...env });
    expect(plain(ran.out)).to.include(ids[1]).and.not.include(ids[0]);
  });

  it("sends one once more", async () => {
    const lines: string[] = [];
    for (const json of [false, true]) await redeliver(house.url, { id: ids[0]!, json }, env, (line) => lines.push(line));
    expect(lines).to.deep.equal([`${ids[0]} is sent once more`, JSON.stringify({ id: ids[0], redelivered: true })]);
    expect((await house.ledger.deliveries.list({ limit: 2 })).map(({ status }) => status)).to.deep.equal(["waiting", "waiting"]);
  });

  it("says why it does not", async () => {
    const say = () => undefined;
    expect(await problemOf(redeliver(house.url, { id: "evt_none" }, env, say))).to.match(/^there is no such event/);
    expect(await problemOf(listDeliveries(house.url, {}, {}, say))).to.match(/needs the operator's key/);
    expect(await problemOf(listDeliveries(house.url, {}, { PICTOR_ADMIN_KEY: "sk-no" }, say))).to.match(/this is for the operator/);
    expect(await problemOf(listDeliveries("http://127.0.0.1:9", {}, env, say))).to.match(/^no gateway answers/);
  });
});
