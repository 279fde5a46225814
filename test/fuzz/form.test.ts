// Forms from a grammar of multipart, and JSON, both with everything done to them that a client could get wrong.
import { readdir } from "node:fs/promises";
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { buffer } from "node:stream/consumers";
import { expect } from "chai";
import fc from "fast-check";
import { usualLimits } from "../../src/http/input-limits.ts";
import { createSpool } from "../../src/picture/spool.ts";
import type { TestGateway } from "../../src/testing/gateway.ts";
import { channelFolder, gatewayWith } from "../helpers/channels.ts";
import { httpProvider, type Provider } from "../helpers/provider.ts";
import { stopwatch, watchTurns, type Turns } from "../helpers/turns.ts";
import { echo } from "../http/form-house.ts";
import { metric, until } from "../http/setup.ts";
import { form, json, png, type Case } from "./bodies.ts";
import { runs } from "./runs.ts";

/** Requests under way at once; each run is one such crowd. */
const crowd = 10;

describe("any body", () => {
  let provider: Provider;
  let gateway: TestGateway;
  let folder: Awaited<ReturnType<typeof channelFolder>>;
  const agent = new Agent({ keepAlive: true });
  let turns: Turns;

  before(async () => {
    folder = await channelFolder({});
    const answer = JSON.stringify({ data: [{ b64_json: png.toString("base64") }] });
    provider = await httpProvider((request, response) => {
      request.resume().on("end", () => response.writeHead(200, { "content-type": "application/json" }).end(answer));
    });
    const spool = createSpool({ folder: `${folder.folder}/tmp`, largest: 200 });
    gateway = await gatewayWith(
      { "all.yaml": echo("demo", "gpt-image-1") },
      { BASE: provider.url },
      { spool, inputLimits: { ...usualLimits, idle: 2000 } },
    );
    turns = watchTurns();
  });

  after(async () => {
    turns.stop();
    agent.destroy();
    await gateway.close();
    await provider.close();
    await folder.remove();
  });

  afterEach(async () => {
    const left = async () => (await readdir(`${folder.folder}/tmp`).catch(() => [])).length;
    await until(async () => (await left()) === 0, "no file is left");
    // The one under way is that which reads the metrics.
    await until(async () => (await metric(gateway.url, "pictor_requests_in_flight")) === 1, "no request is left");
  });

  async function post({ body, type, encoding: code }: Case, path: string) {
    const sent = httpRequest(`${gateway.url}${path}`, {
      method: "POST",
      agent,
      headers: {
        authorization: `Bearer ${gateway.key}`,
        "content-length": body.length,
        ...(type === "" ? {} : { "content-type": type }),
        ...(code === undefined ? {} : { "content-encoding": code }),
      },
    });
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      sent.once("response", resolve).once("error", reject).end(body);
    });
    return { status: response.statusCode ?? 0, id: response.headers["x-request-id"], text: (await buffer(response)).toString() };
  }

  /** Whatever comes, the answer is one that the design knows, it comes soon, and nobody else waits for it. */
  async function lawful(cases: readonly Case[], path: string) {
    const took = stopwatch();
    turns.reset();
    for (const { status, id, text } of await Promise.all(cases.map((one) => post(one, path)))) {
      expect(status, text.slice(0, 500)).to.be.oneOf([200, 400, 404, 413, 415, 502]);
      expect(id).to.match(/^req_/);
      const told = (text.startsWith("event:") ? {} : JSON.parse(text)) as { error?: { message: string } };
      if (status === 200) continue;
      expect(told.error).to.have.all.keys("message", "type", "param", "code");
      expect(told.error?.message.length).to.be.within(1, 2000);
      // Only a URL that does not lead to a picture is a failure of somebody else's.
      if (status === 502) expect(told.error?.message).to.include("fetched");
    }
    expect(took()).to.be.lessThan(5000);
    expect(turns.longest(), "milliseconds that nobody else had a turn").to.be.lessThan(250);
  }

  for (const [what, cases] of [
    ["a form", form],
    ["JSON", json],
  ] as const)
    it(`that is ${what}, or was once, is answered with a picture or what is wrong with it`, async () => {
      const crowds = fc.array(cases, { minLength: crowd, maxLength: crowd });
      const paths = fc.constantFrom("/v1/images/edits", "/v1/images/generations");
      await fc.assert(
        fc.asyncProperty(crowds, paths, (some, path) => lawful(some, path)),
        { numRuns: Math.ceil(runs(500) / crowd) },
      );
    }).timeout(600_000);
});
