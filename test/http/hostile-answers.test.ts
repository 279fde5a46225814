// Answers of a provider that means harm: each is bounded in time and memory, and lets everybody else have their turn meanwhile.
import type { ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import { expect } from "chai";
import { solidPng } from "../../src/picture/png.ts";
import { longestTurn, longestWork, stopwatch, watchTurns } from "../helpers/turns.ts";
import { startHouse, type House } from "./setup.ts";

const megabyte = 1024 * 1024;
const good = solidPng(8, 8).toString("base64");
const item = `{"b64_json":"${good}"}`;
const list = (what: string, count: number) => Array<string>(count).fill(what).join(",");
const events = { "content-type": "text/event-stream" };
const form = { "content-type": "multipart/form-data; boundary=b" };

interface Hostile {
  body: Buffer;
  headers?: Record<string, string>;
  status?: number;
  /** How often the body is written; once when omitted. */
  times?: number;
  told: [status: number, said: RegExp];
}

const tooMany = /has more than 50000 values/;
const hostile: Record<string, Hostile> = {
  "0.3 MB of empty pictures": { body: Buffer.from(`{"data":[${list("{}", 100_000)}]}`), told: [502, tooMany] },
  "10 MB of empty pictures": { body: Buffer.from(`{"data":[${list("{}", 3_500_000)}]}`), told: [502, tooMany] },
  "a member that nobody asked for, full of values": {
    body: Buffer.from(`{"data":[${item}],"debug":[${list("[]", 2_000_000)}]}`),
    told: [502, tooMany],
  },
  "brackets without end": { body: Buffer.alloc(megabyte, "["), times: 64, told: [502, /nested deeper than 100 levels/] },
  "compressed zeros without end": {
    body: gzipSync(`{"data":[{"b64_json":"${good.slice(0, -20)}${"A".repeat(64 * megabyte)}"}]}`),
    headers: { "content-encoding": "gzip" },
    told: [502, /many times larger than what was sent/],
  },
  "short texts without end": {
    body: Buffer.from(`"${"x".repeat(60_000)}",`.padEnd(megabyte, `"${"y".repeat(60_000)}",`)),
    times: 32,
    told: [502, /not JSON/],
  },
  "a part of a form without end": {
    body: Buffer.concat([
      Buffer.from('--b\r\ncontent-disposition: form-data; name="a"\r\n\r\n'),
      Buffer.alloc(96 * megabyte, "x"),
      Buffer.from("\r\n--b--\r\n"),
    ]),
    headers: form,
    told: [502, /no body.data/],
  },
  "a part of a form without a name": {
    body: Buffer.from(
      "--b\r\ncontent-disposition: form-data\r\n\r\nx\r\n--b\r\ncontent-disposition: form-data; filename=y\r\n\r\nx\r\n--b--\r\n",
    ),
    headers: form,
    told: [502, /no body.data/],
  },
  "a refusal without end": { body: Buffer.alloc(megabyte, "no "), status: 400, times: 96, told: [400, /^no no/] },
  "events that say nothing": { body: Buffer.from("data:\n\n".repeat(50_000)), headers: events, told: [502, /more than 10000 events/] },
  "comments without end": { body: Buffer.alloc(megabyte, ":\n"), headers: events, times: 5, told: [502, /more than 2000000 lines/] },
  "an event without end": {
    body: Buffer.concat([
      Buffer.from('data: {"type":"image_generation.completed","x":"'),
      Buffer.alloc(96 * megabyte, "x"),
      Buffer.from('"}\n\n'),
    ]),
    headers: events,
    told: [502, /gives? no picture|without/],
  },
  "many more good pictures than were asked for": { body: Buffer.from(`{"data":[${list(item, 15_000)}]}`), told: [200, /^$/] },
  "events with many more good pictures than were asked for": {
    body: Buffer.from(`data: {"type":"image_generation.completed","b64_json":"${good}"}\n\n`.repeat(3000)),
    headers: events,
    told: [200, /^$/],
  },
};

describe("http: an answer that is made to harm", function () {
  // A collection of garbage may fall into the longest turn.
  this.retries(3);
  let house: House;
  let current: Hostile;

  before(async () => {
    house = await startHouse(async (_call, response: ServerResponse) => {
      const { body, headers = {}, status = 200, times = 1 } = current;
      response.writeHead(status, { "content-type": "application/json", ...headers });
      for (let time = 0; time < times && !response.destroyed; time += 1)
        await new Promise<void>((resolve) => {
          response.once("close", resolve);
          response.write(body, () => resolve());
        });
      response.end();
    });
  });
  after(() => house.close());

  for (const [what, answer] of Object.entries(hostile))
    it(`is bounded, and holds nobody else up: ${what}`, async () => {
      current = answer;
      house.reset();
      await fetch(`${house.url}/livez`);
      const before = process.memoryUsage();
      const turns = watchTurns();
      const took = stopwatch();
      const response = await house.generate({ model: "demo", prompt: "p", n: 2 });
      const json = (await response.json()) as { data?: unknown[]; error?: { message: string } };
      turns.stop();
      const after = process.memoryUsage();
      const [status, said] = answer.told;
      expect([response.status, json.error?.message ?? ""], JSON.stringify(json).slice(0, 300)).to.satisfy(
        ([told, message]: [number, string]) => told === status && said.test(message),
      );
      if (json.data) expect(json.data).to.have.length(64);
      // Before, these took seconds, without end, or all memory. The bounds are wide, for machines that are busy with other things.
      expect(took(), "milliseconds").to.be.below(longestWork);
      expect(turns.longest(), "milliseconds without a turn").to.be.below(longestTurn);
      expect(after.heapUsed + after.external - before.heapUsed - before.external, "bytes").to.be.below(150 * megabyte);
      expect(house.provider.calls).to.have.length(1);
    });
});
