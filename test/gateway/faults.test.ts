import { expect } from "chai";
import type { Socket } from "node:net";
import { createRouting } from "../../src/gateway/routing.ts";
import { createPictureFetcher } from "../../src/net/fetch-picture.ts";
import { pngChunk, solidPng } from "../../src/picture/png.ts";
import type { TestGateway } from "../../src/testing/gateway.ts";
import { gatewayWith } from "../helpers/channels.ts";
import { freePort } from "../helpers/port.ts";
import { draw, httpProvider, rawProvider, type Provider } from "../helpers/provider.ts";
import { deadlines, faults, type Fault } from "./faults.ts";

// One gateway for all: what its provider does with a connection is another in each test.
let talk: (socket: Socket) => void = () => undefined;
let requests = 0;
let provider: Provider;
let healthy: Provider;
let gateway: TestGateway;

/** Milliseconds that a busy machine may take for what takes none. */
const slack = 3000;

const placeOf = ({ at }: Fault) => at ?? "plain";
const aloneOf = (fault: Fault) => `${placeOf(fault)}-${fault.ends ?? "patient"}`;
const sharedOf = (fault: Fault) => `${aloneOf(fault)}-shared`;

/** A channel with two keys and these models, which end what hangs as they are called. */
const channel = (url: string, models: readonly string[], priority = 0) => `extends: openai-images
base_url: ${url}
keys: ["\${env.KEY}", "\${env.OTHER_KEY}"]
priority: ${priority}
plugins: [response-format, image-inputs]
models:
${models.map((model) => `  ${model}: { schema: dall-e-2, limits: ${limitsOf(model)} }`).join("\n")}
`;

function limitsOf(model: string): string {
  const ends = Object.entries(deadlines).find(([name]) => model.includes(name));
  return ends ? ends[1].limits : "{ timeout: 30s }";
}

/** A part of a picture that no program reads makes it large. */
function largePicture(): string {
  const small = solidPng(8, 8);
  const filler = pngChunk("fiLl", Buffer.alloc(8 * 1024 * 1024));
  return `data:image/png;base64,${Buffer.concat([small.subarray(0, 33), filler, small.subarray(33)]).toString("base64")}`;
}

/** One request; how it was answered, and the number of calls that the provider had. */
async function ask(behaviour: (socket: Socket) => void, body: object = {}) {
  talk = behaviour;
  const before = requests;
  const began = performance.now();
  const { status, json, text, headers } = await draw(gateway, { model: "plain-patient", prompt: "x", ...body });
  const took = performance.now() - began;
  return { status, json, text, headers, took, code: status === 200 ? undefined : json.error.code, calls: requests - before };
}

const answering = (json: unknown) => (socket: Socket) => {
  const body = JSON.stringify(json);
  socket.end(`${head}connection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
};

const head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";

before(async () => {
  provider = await rawProvider((socket) => {
    requests += 1;
    socket.on("data", (chunk: Buffer) => {
      if (chunk.toString("latin1", 0, 5) === "POST ") requests += 1;
    });
    talk(socket);
  });
  healthy = await httpProvider((_request, response) => response.end('{"data":[{"url":"https://a.example/1"}]}'));
  const urls = {
    plain: provider.url,
    tls: provider.url.replace("http:", "https:"),
    closed: `http://127.0.0.1:${await freePort()}`,
    nobody: "http://nobody.invalid",
  };
  const modelsOf = (some: readonly Fault[]) => [...new Set(some.flatMap((fault) => [aloneOf(fault), sharedOf(fault)]))];
  const files = Object.entries(urls).map(([place, url]) => {
    const models = modelsOf(faults.filter((fault) => placeOf(fault) === place));
    return [`${place}.yaml`, channel(url, models)] as const;
  });
  const shared = channel(healthy.url, [...new Set(faults.map(sharedOf))], 1);
  gateway = await gatewayWith(Object.fromEntries([...files, ["healthy.yaml", shared]]), { KEY: "key-1", OTHER_KEY: "key-2" });
});

after(async () => {
  await gateway.close();
  await provider.close();
  await healthy.close();
});

// What a channel taught in one case is not known in the next.
beforeEach(() => void (gateway.gateway.routing = createRouting()));

describe("a provider that fails", () => {
  const image = largePicture();

  /** One request that meets the fault. */
  async function meet(fault: Fault, model: string) {
    const { talk = () => undefined, again, large } = fault;
    const body = { model, ...(large && { image }) };
    if (again) expect((await ask(talk, body)).status).to.equal(200);
    const answer = await ask(again ? () => expect.fail("the connection was not kept") : talk, body);
    expect(answer.calls, "calls").to.equal(fault.calls);
    const least = fault.ends === undefined ? 0 : deadlines[fault.ends].after;
    const times = fault.proof ? Math.max(1, fault.calls) : 1;
    // A timer may ring a little early by the other clock.
    expect(answer.took).to.be.within(least - 5, times * least + slack);
    return answer;
  }

  for (const fault of faults) {
    const { name, told, proof, hopeless } = fault;
    const [status, code] = told;
    const retry = proof && !hopeless;
    const retryAfter = retry ? String(fault.retryAfter ?? 1) : null;

    it(`with ${name}: alone it is ${status} ${code}`, async () => {
      const answer = await meet(fault, aloneOf(fault));
      expect([answer.status, answer.code]).to.deep.equal(told);
      expect(answer.headers.get("x-should-retry")).to.equal(status < 429 ? null : String(retry));
      expect(answer.headers.get("retry-after")).to.equal(retryAfter);
      expect(answer.text).not.to.match(/127\.0\.0\.1|nobody/);
    });

    it(`with ${name}: with a healthy channel beside it, ${proof ? "that one makes the picture" : "that one is not asked"}`, async () => {
      const before = healthy.calls();
      const answer = await meet(fault, sharedOf(fault));
      expect([answer.status, answer.code]).to.deep.equal(proof ? [200, undefined] : told);
      expect(healthy.calls() - before).to.equal(proof ? 1 : 0);
      if (proof) expect(answer.headers.get("x-pictor-attempts")).to.match(/, healthy ok$/);
    });
  }

  it("drips, but ends: 200", async () => {
    let left = `${head}connection: close\r\n\r\n{"data":[{"url":"https://a.example/1"}]}`;
    const { json } = await ask((socket) => {
      const timer = setInterval(() => {
        socket.write(left.slice(0, 5));
        left = left.slice(5);
        if (left !== "") return;
        clearInterval(timer);
        socket.end();
      }, 1);
    });
    expect(json.data).to.deep.equal([{ url: "https://a.example/1" }]);
  });

  it("sees the client go: its connection is closed", async () => {
    const closed = new Promise<void>((resolve) => {
      talk = (socket) => socket.once("close", () => resolve());
    });
    await draw(gateway, { model: "plain-patient", prompt: "x" }, AbortSignal.timeout(100)).catch(() => undefined);
    await closed;
  });
});

describe("a provider's picture", () => {
  const wanted = { response_format: "b64_json" };

  for (const url of ["http://127.0.0.1:1/x.png", "http://[::1]:1/x", "http://10.0.0.1/x", "http://169.254.169.254/x", "http://0/x"]) {
    it(`at ${url} is not fetched`, async () => {
      const answer = await ask(answering({ data: [{ url }] }), wanted);
      expect(answer).to.include({ status: 502, code: "bad_upstream_response" });
      expect(answer.json.error.message).to.contain("not public");
    });
  }

  it("behind a redirect into a private address is not fetched", async () => {
    const inside = await httpProvider((_request, response) => response.end(solidPng(8, 8)));
    const hop = (socket: Socket) => socket.end(`HTTP/1.1 302 Found\r\nlocation: ${inside.url}/x.png\r\ncontent-length: 0\r\n\r\n`);
    try {
      const answer = await ask((socket) => {
        talk = hop;
        answering({ data: [{ url: `${provider.url}/hop` }] })(socket);
      }, wanted);
      expect(answer).to.include({ status: 502, code: "bad_upstream_response", calls: 2 });
      expect(inside.calls()).to.equal(0);
    } finally {
      await inside.close();
    }
  });

  it("at a name that stands for a private address is not fetched", async () => {
    const inside = await httpProvider((_request, response) => response.end(solidPng(8, 8)));
    const { fetchPicture } = gateway.gateway;
    gateway.gateway.fetchPicture = createPictureFetcher({
      retryDelayMs: 1,
      lookup: (_name, _options, callback) => setImmediate(() => callback(null, [{ address: "127.0.0.1", family: 4 }])),
    });
    try {
      const answer = await ask(answering({ data: [{ url: `http://pictures.example:${inside.port}/x.png` }] }), wanted);
      expect(answer).to.include({ status: 502, code: "bad_upstream_response" });
      expect(inside.calls()).to.equal(0);
    } finally {
      gateway.gateway.fetchPicture = fetchPicture;
      await inside.close();
    }
  });
});
