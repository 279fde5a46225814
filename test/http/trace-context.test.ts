// The trace that a client names goes on: to the log, to the provider, and to whatever process serves a job.
import { expect } from "chai";
import { readTraceparent, passOn } from "../../src/trace.ts";
import { startDurableHouse, type DurableHouse } from "./durable-house.ts";
import { answerWithUrls, png, reply, startHouse, until, type House } from "./setup.ts";

const [trace, span] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];
const traceparent = `00-${trace}-${span}-01`;
const ask = { model: "demo", prompt: "a cat" };

describe("the header traceparent", () => {
  const readings: [name: string, header: string | undefined, read: string | undefined][] = [
    ["of version 00", traceparent, traceparent],
    ["that is not sampled", `00-${trace}-${span}-00`, `00-${trace}-${span}-00`],
    ["with flags that nobody knows", `00-${trace}-${span}-ff`, `00-${trace}-${span}-03`],
    ["of a later version", `cc-${trace}-${span}-01-what-comes`, traceparent],
    ["of a later version without more", `cc-${trace}-${span}-01`, traceparent],
    ["that is not there", undefined, undefined],
    ["of version 00 with more", `${traceparent}-more`, undefined],
    ["of a later version with more that is not set off", `cc-${trace}-${span}-01.more`, undefined],
    ["of the version that is forbidden", `ff-${trace}-${span}-01`, undefined],
    ["in upper case", traceparent.toUpperCase(), undefined],
    ["without a trace", `00-${"0".repeat(32)}-${span}-01`, undefined],
    ["without a span", `00-${trace}-${"0".repeat(16)}-01`, undefined],
    ["that is too short", traceparent.slice(0, -1), undefined],
    ["that was sent twice", `${traceparent}, ${traceparent}`, undefined],
  ];
  for (const [name, header, read] of readings) it(`${name} is ${read ?? "ignored"}`, () => expect(readTraceparent(header)).to.equal(read));
});

describe("http: a client's trace", () => {
  let house: House;
  before(async () => (house = await startHouse()));
  after(() => house.close());
  beforeEach(() => house.reset());

  const sent = ({ provider }: Pick<House, "provider">) => provider.calls.map(({ headers }) => headers.traceparent);
  const lineOf = async ({ log }: Pick<House, "log">, msg = "request") => {
    await until(() => log.some((line) => line.msg === msg));
    return log.find((line) => line.msg === msg);
  };

  it("goes on to the provider, and stands in the log; a picture's server is not sent it", async () => {
    const body = { ...ask, response_format: "b64_json" };
    expect((await house.generate(body, { headers: { traceparent, tracestate: "vendor=secret" } })).status).to.equal(200);
    expect(await lineOf(house)).to.include({ status: 200, trace_id: trace, span_id: span });
    expect(house.provider.calls.map(({ path }) => path)).to.deep.equal(["/images/generations", "/cat.png"]);
    expect(sent(house)).to.deep.equal([traceparent, undefined]);
    expect(house.provider.calls[0]?.headers).to.not.have.property("tracestate");
  });

  it("that is malformed, or that there is none of, is not made up", async () => {
    for (const headers of [{}, { traceparent: "00-none" }] as Record<string, string>[]) {
      house.reset();
      expect((await house.generate(ask, { headers })).status).to.equal(200);
      expect(await lineOf(house)).to.not.have.any.keys("trace_id", "span_id");
      expect(sent(house)).to.deep.equal([undefined]);
    }
  });

  it("stands in the lines of what went wrong, and of other requests", async () => {
    expect((await house.generate({ ...ask, model: "none" }, { headers: { traceparent } })).status).to.equal(404);
    expect(await lineOf(house)).to.include({ status: 404, trace_id: trace });
    house.reset();
    await (await fetch(`${house.url}/livez`, { headers: { traceparent } })).text();
    expect(await lineOf(house)).to.include({ path: "/livez", trace_id: trace });
    const broken = await startHouse((_call, response) => void response.writeHead(500).end());
    try {
      expect((await broken.generate(ask, { headers: { traceparent } })).status).to.equal(502);
      for (const msg of ["attempt failed", "request failed", "request"]) expect(await lineOf(broken, msg)).to.include({ trace_id: trace });
    } finally {
      await broken.close();
    }
  });

  it("is neither read nor sent where the operator wants none", async () => {
    const closed = await startHouse(answerWithUrls, { traces: passOn({ leaves: false }) });
    try {
      expect((await closed.generate(ask, { headers: { traceparent } })).status).to.equal(200);
      expect(await lineOf(closed)).to.not.have.any.keys("trace_id", "span_id");
      expect(sent(closed)).to.deep.equal([undefined]);
    } finally {
      await closed.close();
    }
  });

  const file = ({ auth = "bearer", keys = "${env.ACME_API_KEY}", headers = "{}" }) => `base_url: \${env.ACME_BASE_URL}
auth: ${auth}
keys: ['${keys}']
models: { demo: {} }
generate:
  request: { post: /pictures, json: { prompt: '\${request.prompt}' }, headers: ${headers} }
  result: { images: "\${body.data}", url: "\${image.url}" }
`;
  const others: [what: string, file: string, sent: string][] = [
    [
      "goes out beside a signature, which does not hold it",
      file({ auth: "{ sigv4: { service: s, region: r } }", keys: "${env.ACME_API_KEY}|${env.ACME_API_KEY}" }),
      traceparent,
    ],
    ["is not sent where the channel has such a header of its own", file({ headers: "{ traceparent: own }" }), "own"],
  ];
  for (const [what, text, expected] of others)
    it(what, async () => {
      const house = await startHouse(answerWithUrls, {}, { "acme.yaml": text });
      try {
        expect((await house.generate(ask, { headers: { traceparent } })).status).to.equal(200);
        expect(sent(house)).to.deep.equal([expected]);
        expect(house.provider.calls[0]?.headers.authorization).to.not.include("traceparent");
      } finally {
        await house.close();
      }
    });
});

describe("http: a job's trace", () => {
  let house: DurableHouse;
  before(async () => (house = await startDurableHouse()));
  after(() => house.close());

  it("is that of the request that ordered it", async () => {
    house.handler = (_call, response) => reply(response, { created: 7, data: [{ b64_json: png.toString("base64") }] });
    const response = await house.generate(ask, { headers: { traceparent, prefer: "respond-async" } });
    expect(response.status).to.equal(202);
    await until(() => house.provider.calls.length > 0);
    expect(house.provider.calls.map(({ headers }) => headers.traceparent)).to.deep.equal([traceparent]);
  });

  it("finds the rows of its requests, of whatever kind", async () => {
    house.handler = (_call, response) => reply(response, { created: 7, data: [{ b64_json: png.toString("base64") }] });
    const own = "a".repeat(32);
    const headers = { traceparent: `00-${own}-${span}-00` };
    const kinds: Record<string, string>[] = [{}, { "idempotency-key": "trace" }, { prefer: "respond-async" }];
    const answers = await Promise.all(kinds.map((more) => house.generate(ask, { headers: { ...headers, ...more } })));
    const rows = async () => {
      const answer = await fetch(`${house.url}/v1/requests?trace_id=${own}`, { headers: { authorization: `Bearer ${house.key}` } });
      return ((await answer.json()) as { data: { id: string; trace_id: string }[] }).data;
    };
    await until(async () => (await rows()).length === kinds.length);
    const expected = answers.map((answer) => ({ id: answer.headers.get("x-request-id"), trace_id: own }));
    expect((await rows()).map(({ id, trace_id }) => ({ id, trace_id }))).to.have.deep.members(expected);
  });

  it("is kept by a request with a key too", async () => {
    const response = await house.generate(ask, { headers: { traceparent, "idempotency-key": "k" } });
    expect(response.status).to.equal(200);
    expect(house.provider.calls.at(-1)?.headers.traceparent).to.equal(traceparent);
  });
});
