import type { ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { solidPng } from "../../src/picture/png.ts";
import { png, reply, startHouse, until, type Call, type House } from "./setup.ts";

interface Images {
  created: number;
  data: { url?: string; b64_json?: string; revised_prompt?: string; metadata?: object }[];
  usage?: object;
  metadata?: { own?: number; pictor?: { changes: object[] } };
}

const broken = Buffer.concat([solidPng(64, 64), Buffer.alloc(3_000_000)]);

function provider({ path, body, headers }: Call, response: ServerResponse): void {
  if (path === "/sized.png") response.writeHead(200, { "content-length": broken.length }).end(broken);
  else if (path === "/unsized.png") response.writeHead(200).end(broken);
  else if (path === "/broken.png") {
    response.writeHead(200, { "content-length": broken.length });
    response.write(broken.subarray(0, 1_500_000), () => setTimeout(() => response.destroy(), 20));
  } else if (path === "/missing.png") response.writeHead(410).end();
  else {
    const { prompt } = JSON.parse(body) as { prompt: string };
    if (prompt === "facts") {
      const item = { b64_json: png.toString("base64"), revised_prompt: 'a "fluffy"\n🐈 \u2028' };
      reply(response, { created: 1_713_833_628_123, data: [item], usage: { total_tokens: 3 }, metadata: { own: 1 } });
    } else reply(response, { data: prompt.split(",").map((name) => ({ url: `http://${headers.host}/${name}.png` })) });
  }
}

describe("http: an answer", () => {
  let house: House;
  before(async () => {
    house = await startHouse(provider);
  });
  beforeEach(() => house.reset());
  after(() => house.close());

  const order = (prompt: string, format = "b64_json") =>
    house.generate({ model: "demo", prompt, n: prompt.split(",").length, response_format: format });

  it("holds what the provider said, as it said it", async () => {
    const response = await house.generate({ model: "demo", prompt: "facts", style: "vivid", watermark: false });
    const answer = (await response.json()) as Images;
    expect(answer).to.deep.equal({
      created: 1_713_833_628,
      data: [{ b64_json: png.toString("base64"), revised_prompt: 'a "fluffy"\n🐈 \u2028', metadata: { own: 1 } }],
      usage: { total_tokens: 3 },
      // The client asked for no size: the schema's default is not a wish that something else was made of.
      metadata: { own: 1, pictor: { changes: answer.metadata?.pictor?.changes } },
    });
    expect(answer.metadata?.pictor?.changes).to.deep.include({ field: "watermark", what: "dropped", from: false });
    expect(response.headers.get("x-pictor-channel")).to.equal("acme");
    expect(response.headers.get("x-pictor-attempts")).to.equal("acme ok");
    expect(response.headers.get("x-pictor-changes")).to.include("watermark dropped");
  });

  it("tells no changes where there are none, and the time where the provider tells none", async () => {
    const response = await order("cat", "url");
    const answer = (await response.json()) as Images;
    expect(answer).to.have.all.keys("created", "data");
    expect(answer.created).to.be.closeTo(Date.now() / 1000, 5);
    expect(response.headers.has("x-pictor-changes")).to.equal(false);
  });

  for (const created of ["1e400", "1e300", "-5", '"soon"', "{}", "null"])
    it(`tells the time where the provider's created is ${created}`, async () => {
      const house = await startHouse((_, response) => {
        response.writeHead(200, { "content-type": "application/json" });
        response.end(`{"created":${created},"data":[{"url":"http://127.0.0.1:1/cat.png"}]}`);
      });
      try {
        const answer = (await (await house.generate({ model: "demo", prompt: "a cat" })).json()) as Images;
        expect(answer.created).to.be.closeTo(Date.now() / 1000, 5);
      } finally {
        await house.close();
      }
    });

  for (const [names, sized] of [
    ["cat", true],
    ["sized", true],
    ["sized,cat", true],
    ["unsized", false],
    ["cat,unsized", false],
  ] as const) {
    it(`tells its length for ${names}: ${sized}`, async () => {
      const response = await order(names);
      const bytes = Buffer.from(await response.arrayBuffer());
      const { data } = JSON.parse(bytes.toString()) as Images;
      expect(data.map(({ b64_json }) => Buffer.from(b64_json!, "base64").length)).to.deep.equal(
        names.split(",").map((name) => (name === "cat" ? png.length : broken.length)),
      );
      expect(response.headers.get("content-length")).to.equal(sized ? String(bytes.length) : null);
    });
  }

  it("is an error as long as none of it was sent", async () => {
    const response = await order("missing,missing");
    expect(response.status).to.equal(502);
    expect(((await response.json()) as { error: { code: string } }).error.code).to.equal("bad_upstream_response");
  });

  for (const names of ["broken", "cat,broken", "unsized,broken"]) {
    it(`is a broken connection, never a whole JSON, when a download breaks off for good: ${names}`, async () => {
      const response = await order(names);
      expect(response.status).to.equal(200);
      const failure: unknown = await response.text().catch((error: unknown) => error);
      expect(failure).to.be.instanceOf(TypeError);
      await until(() => house.log.some(({ msg }) => msg === "request"));
      const [line] = house.log.filter(({ msg }) => msg === "request");
      expect(line).to.include({ status: 502, model: "demo", channel: "acme" });
      expect(house.log.filter(({ msg }) => msg === "the answer broke off")).to.have.length(1);
      expect((await house.gateway.metrics.inFlight.get()).values[0]?.value).to.equal(0);
      expect((await house.gateway.metrics.pictures.get()).values).to.deep.equal([]);
    });
  }

  it("ends whole after a download that broke off once", async () => {
    let tries = 0;
    const shaky = await startHouse((call, response) => {
      if (call.path === "/shaky.png" && (tries += 1) > 1) provider({ ...call, path: "/sized.png" }, response);
      else if (call.path === "/shaky.png") provider({ ...call, path: "/broken.png" }, response);
      else provider(call, response);
    });
    try {
      const response = await shaky.generate({ model: "demo", prompt: "shaky", response_format: "b64_json" });
      const { data } = (await response.json()) as Images;
      expect(Buffer.from(data[0]!.b64_json!, "base64").equals(broken)).to.equal(true);
      expect(tries).to.equal(2);
    } finally {
      await shaky.close();
    }
  });

  it("is never another's: two hundred at once, answered in any order", async () => {
    const mixer = await startHouse(async ({ path, body, headers }, response) => {
      await delay(Math.random() * 50);
      const mark = /mark-(\d+)/.exec(path + body)?.[1];
      if (path.endsWith(".png")) response.writeHead(200).end(solidPng(Number(mark) + 16, 16));
      else
        reply(response, {
          created: Number(mark) + 1,
          data: [{ url: `http://${headers.host}/mark-${mark}.png`, revised_prompt: `mark-${mark}` }],
        });
    });
    try {
      await Promise.all(
        Array.from({ length: 200 }, async (_, index) => {
          const response = await mixer.generate({
            model: "demo",
            prompt: `mark-${index}`,
            response_format: index % 2 ? "b64_json" : "url",
            style: String(index),
          });
          const { created, data } = (await response.json()) as Images;
          const [{ url, b64_json, revised_prompt } = {}] = data;
          expect({ created, revised_prompt }).to.deep.equal({ created: index + 1, revised_prompt: `mark-${index}` });
          if (index % 2) expect(Buffer.from(b64_json!, "base64").equals(solidPng(index + 16, 16))).to.equal(true);
          else expect(url).to.match(new RegExp(`/mark-${index}\\.png$`));
        }),
      );
      expect(mixer.log.filter(({ level }) => Number(level) > 30)).to.deep.equal([]);
      expect(mixer.log).to.have.length(200);
    } finally {
      await mixer.close();
    }
  });
});
