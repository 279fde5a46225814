// Requests whose client hangs up go on or end, as the operator says.
import type { ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import type { KeepAfterHangup } from "../../src/gateway/client.ts";
import type { Table } from "../../src/gateway/table.ts";
import { startDurableHouse, type DurableHouse } from "./durable-house.ts";
import { png, reply, until } from "./setup.ts";

const ask = { model: "demo", prompt: "a cat" };
const keyed = { "idempotency-key": "hung up" };
const counted = { "x-stainless-retry-count": "0" };

describe("http: a request whose client hangs up", () => {
  let house: DurableHouse;
  let keep: KeepAfterHangup | undefined;
  let provided: ServerResponse[];
  before(async () => {
    house = await startDurableHouse();
    const table = house.gateway.table();
    house.gateway.table = (): Table => ({ ...table, keepAfterHangup: keep });
  });
  after(() => house.close());
  beforeEach(() => {
    house.reset();
    house.clients.clear();
    provided = [];
    house.handler = (_call, response) => void provided.push(response);
  });

  /** Send a request, hang up once it was ordered, and give its id. */
  async function hangUp(headers: Record<string, string>, body: object): Promise<string> {
    const client = new AbortController();
    const sent = house.generate(body, { headers, signal: client.signal }).catch(() => undefined);
    await until(() => provided.length === 1);
    client.abort();
    await sent;
    // The line of a picture that the test before has fetched may come as late as this.
    const line = () => house.log.find(({ msg, method }) => msg === "request" && method === "POST") as { request: string } | undefined;
    await until(() => line() !== undefined);
    return line()!.request;
  }

  const rows: [string, KeepAfterHangup | undefined, KeepAfterHangup | undefined, Record<string, string>, object, boolean][] = [
    ["is cancelled", undefined, undefined, {}, ask, false],
    ["goes on where it has a key", undefined, undefined, keyed, ask, true],
    ["goes on where its SDK is about to repeat it", undefined, undefined, counted, ask, true],
    ["goes on where the operator has each go on", "always", undefined, {}, ask, true],
    ["goes on as a stream too", "always", undefined, {}, { ...ask, stream: true }, true],
    ["goes on where the operator has those of its key go on", "never", "always", {}, ask, true],
    ["is cancelled with a key where none goes on", "never", undefined, keyed, ask, false],
    ["is cancelled with a count of retries where none goes on", "never", undefined, counted, ask, false],
    ["is cancelled where none of its key goes on", "always", "never", keyed, ask, false],
  ];
  for (const [index, [does, ofAll, ofKey, headers, body, goesOn]] of rows.entries())
    it(does, async () => {
      keep = ofAll;
      if (ofKey) house.clients.set(house.key, { keepAfterHangup: ofKey });
      const own = { ...headers, ...("idempotency-key" in headers && { "idempotency-key": `hung up ${index}` }) };
      const id = await hangUp(own, { ...body, prompt: `cat ${index}` });
      const [response] = provided;
      if (goesOn) {
        await delay(100);
        expect(response?.destroyed).to.equal(false);
        reply(response!, { created: 7, data: [{ b64_json: png.toString("base64") }] });
      }
      const ended = async () => (await house.ledger.find(id))?.endedAt !== undefined;
      await until(ended);
      if (!goesOn) await until(() => response?.destroyed === true);
      const shown = await fetch(`${house.url}/v1/requests/${id}`, { headers: { authorization: `Bearer ${house.key}` } });
      const { status, result } = (await shown.json()) as { status: string; result?: { data: { url: string }[] } };
      expect(status).to.equal(goesOn ? "completed" : "failed");
      if (!goesOn) return;
      const picture = await fetch(result?.data[0]?.url ?? "");
      expect(Buffer.from(await picture.arrayBuffer()).equals(png)).to.equal(true);
    });

  it("is one of many that are alike, each with its own answer", async () => {
    keep = "always";
    house.handler = (_call, response) => reply(response, { created: 7, data: [{ b64_json: png.toString("base64") }] });
    const answers = await Promise.all([1, 2, 3].map(() => house.generate(ask)));
    expect(answers.map(({ status, headers }) => [status, headers.get("idempotent-replayed")])).to.deep.equal(
      [1, 2, 3].map(() => [200, null]),
    );
    expect(house.orders()).to.equal(3);
  });
});
