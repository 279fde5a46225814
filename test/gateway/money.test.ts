import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { createRouting } from "../../src/gateway/routing.ts";
import { pixelWork } from "../../src/picture/pixels.ts";
import { solidPng } from "../../src/picture/png.ts";
import type { TestGateway } from "../../src/testing/gateway.ts";
import { gatewayWith } from "../helpers/channels.ts";
import { draw, httpProvider, rawProvider, type Provider } from "../helpers/provider.ts";

// Two channels serve one model; the first is told how to fail. What each failure leads to is in faults.ts.
const channel = (priority: number, keys: string, timeout = "10m") => `extends: openai-images
base_url: \${env.BASE}
${keys}
priority: ${priority}
limits: { timeout: ${timeout} }
models: { dall-e-2: {} }
`;

const good = JSON.stringify({ data: [{ url: "https://a.example/1" }] });
let failure: { status: number; body?: string } = { status: 200 };

describe("another attempt", () => {
  let first: Provider;
  let second: Provider;
  let gateway: TestGateway;
  const keysSeen: (string | undefined)[] = [];

  before(async () => {
    first = await httpProvider((request, response) => {
      keysSeen.push(request.headers.authorization);
      response.writeHead(failure.status).end(failure.body ?? "{}");
    });
    second = await httpProvider((_request, response) => response.end(good));
    gateway = await gatewayWith(
      {
        "a-second.yaml": channel(1, 'keys: ["${env.K}"]'),
        "first.yaml": channel(0, 'keys: ["${env.K}", "${env.L}"]', "9999h"),
      },
      { A_SECOND_BASE_URL: second.url, FIRST_BASE_URL: first.url, K: "one", L: "two" },
    );
  });

  after(async () => {
    await gateway.close();
    await first.close();
    await second.close();
  });

  async function ask(how: typeof failure) {
    failure = how;
    const before = [first.calls(), second.calls()];
    const { status, headers } = await draw(gateway, { model: "dall-e-2", prompt: "x" });
    return { status, calls: [first.calls() - before[0]!, second.calls() - before[1]!], attempts: headers.get("x-pictor-attempts") };
  }

  // What the first channel taught in one case is not known in the next.
  beforeEach(() => void (gateway.gateway.routing = createRouting()));

  it("is not made after a refusal", async () => {
    const answer = await ask({ status: 403, body: '{"error":{"code":"content_policy_violation"}}' });
    expect([answer.status, answer.calls, answer.attempts]).to.deep.equal([400, [1, 0], "first refused"]);
  });

  it("takes the keys in turn", async () => {
    keysSeen.length = 0;
    for (let times = 0; times < 3; times += 1) await ask({ status: 400 });
    expect(keysSeen).to.deep.equal(["Bearer one", "Bearer two", "Bearer one"]);
  });

  it("is made when nothing listens there", async () => {
    await first.close();
    // The gateway's idle connections must have seen it too.
    await new Promise((resolve) => setTimeout(resolve, 50));
    const answer = await ask({ status: 200 });
    expect([answer.status, answer.calls, answer.attempts]).to.deep.equal([200, [0, 1], "first failed, a-second ok"]);
  });
});

describe("one healthy channel", () => {
  it("is enough where the others cannot be reached at all", async () => {
    const silent = await rawProvider((socket) => socket.end("no TLS here"));
    const healthy = await httpProvider((_request, response) => response.end(good));
    const closed = await rawProvider(() => undefined);
    await closed.close();
    const gateway = await gatewayWith(
      { "a.yaml": channel(0, ""), "b.yaml": channel(1, ""), "c.yaml": channel(2, ""), "d.yaml": channel(3, "") },
      {
        A_BASE_URL: closed.url,
        B_BASE_URL: "http://nobody.invalid",
        C_BASE_URL: silent.url.replace("http:", "https:"),
        D_BASE_URL: healthy.url,
        BASE: healthy.url,
      },
    );
    try {
      const first = await draw(gateway, { model: "dall-e-2", prompt: "x" });
      expect([first.status, first.headers.get("x-pictor-attempts")]).to.deep.equal([200, "a failed, b failed, c failed, d ok"]);
      // Those that cannot be reached rest, and cost the next request nothing.
      const second = await draw(gateway, { model: "dall-e-2", prompt: "x" });
      expect([second.status, second.headers.get("x-pictor-attempts")]).to.deep.equal([200, "d ok"]);
    } finally {
      for (const server of [gateway, silent, healthy]) await server.close();
    }
  });
});

describe("a picture that is made", () => {
  const png = solidPng(8, 8);
  let served = 0;
  let provider: Provider;
  let gateway: TestGateway;

  before(async () => {
    // The first call of a request is answered at once, with a URL; others hang. A slow picture takes longer than an attempt may.
    provider = await httpProvider((request, response) => {
      const { host } = request.headers;
      if (request.url === "/quick.png") response.end(png);
      else if (request.url === "/lost.png") response.writeHead(404).end();
      else if (request.url === "/slow.png") setTimeout(() => response.end(png), 600);
      else if ((served += 1) === 1)
        void text(request).then((body) =>
          response.end(JSON.stringify({ data: [{ url: `http://${host}/${(JSON.parse(body) as { prompt: string }).prompt}.png` }] })),
        );
    });
    const file = channel(0, "", "400ms").replace("models:", "plugins: [output-format, response-format, fan-out]\nmodels:");
    gateway = await gatewayWith({ "a.yaml": file }, { BASE: provider.url });
  });

  beforeEach(() => void (served = 0));

  after(async () => {
    await gateway.close();
    await provider.close();
  });

  const order = (prompt: string, n: number, more = {}) =>
    draw(gateway, { model: "dall-e-2", prompt, n, response_format: "b64_json", ...more });

  it("is downloaded, though the time of its attempt ends meanwhile", async () => {
    const { status, json } = await order("slow", 1);
    expect([status, json.data]).to.deep.equal([200, [{ b64_json: png.toString("base64") }]]);
  });

  it("is told by its URL where it cannot be fetched for base64, and is not ordered again; a client that takes URLs gets it", async () => {
    const url = `${provider.url}/lost.png`;
    const { status, json, headers } = await order("lost", 1);
    expect([status, json.error.code, headers.get("x-should-retry")]).to.deep.equal([502, "bad_upstream_response", "false"]);
    expect(json.error.message).to.equal(
      `the picture could not be fetched for b64_json: the picture's URL answered with status 404; what was made is at ${url}`,
    );
    expect(served).to.equal(1);
    served = 0;
    expect((await order("lost", 1, { stream: true })).text).to.contain(`what was made is at ${url}"`);
    served = 0;
    expect((await order("lost", 1, { response_format: "url" })).json.data).to.deep.equal([{ url }]);
  });

  it("is converted, though another call of its request took all the time there was", async () => {
    const over = delay(600);
    const others = Array.from({ length: 3 }, () => pixelWork.take(1, new AbortController().signal, () => over));
    const { status, json } = await order("quick", 2, { output_format: "jpeg" });
    expect(status).to.equal(200);
    const [picture] = json.data as { b64_json: string }[];
    expect(Buffer.from(picture!.b64_json, "base64").subarray(0, 3).toString("hex")).to.equal("ffd8ff");
    await Promise.all(others);
  });

  it("is downloaded, though another call of its request took all the time there was", async () => {
    const { status, json } = await order("quick", 2);
    expect([status, json.data]).to.deep.equal([200, [{ b64_json: png.toString("base64") }]]);
    expect(json.metadata?.errors).to.deep.equal([{ message: "the provider did not finish in time", code: "upstream_timeout" }]);
    expect(served).to.equal(2);
  });
});
