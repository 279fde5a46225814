import { expect } from "chai";
import type { Socket } from "node:net";
import { createPictureFetcher } from "../../src/net/fetch-picture.ts";
import { solidPng } from "../../src/picture/png.ts";
import type { TestGateway } from "../../src/testing/gateway.ts";
import { gatewayWith } from "../helpers/channels.ts";
import { draw, httpProvider, rawProvider, type Provider } from "../helpers/provider.ts";

// One gateway for all: what its provider does with a connection is another in each test.
let talk: (socket: Socket) => void = () => undefined;
let provider: Provider;
let gateway: TestGateway;

const files = (url: string, firstByte = "10s") => ({
  "shop.yaml": `extends: openai-images
base_url: ${url}
keys: ["\${env.KEY}"]
limits: { timeout: 800ms, first_byte: ${firstByte} }
models: { dall-e-2: {} }
`,
});

/** One request; how it was answered, and the number of calls that the provider had. */
async function ask(behaviour: (socket: Socket) => void, body: object = {}) {
  talk = behaviour;
  const before = provider.calls();
  const { status, json } = await draw(gateway, { model: "dall-e-2", prompt: "x", ...body });
  return { status, json, code: status === 200 ? undefined : json.error.code, calls: provider.calls() - before };
}

/** One request to a gateway of its own. */
async function askAt(url: string, firstByte?: string) {
  const own = await gatewayWith(files(url, firstByte), { KEY: "k" });
  try {
    return await draw(own, { model: "dall-e-2", prompt: "x" });
  } finally {
    await own.close();
  }
}

const answering = (json: unknown) => (socket: Socket) => {
  const body = JSON.stringify(json);
  socket.end(`${head}connection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
};

const head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";

before(async () => {
  provider = await rawProvider((socket) => talk(socket));
  gateway = await gatewayWith(files(provider.url), { KEY: "k" });
});

after(async () => {
  await gateway.close();
  await provider.close();
});

describe("a provider that fails", () => {
  it("refuses the connection: 502", async () => {
    const { url, close } = await rawProvider(() => undefined);
    await close();
    const { status, json } = await askAt(url);
    expect([status, json.error.code, json.error.message]).to.deep.equal([502, "upstream_error", "the provider could not be reached"]);
  });

  it("has a name that is nobody's: 502 without the name", async () => {
    const { status, json, text } = await askAt("http://nobody.invalid");
    expect([status, json.error.code]).to.deep.equal([502, "upstream_error"]);
    expect(text).not.to.contain("nobody");
  });

  it("does not begin to answer in the time for that: 504, and it is not asked again", async () => {
    talk = () => undefined;
    const before = provider.calls();
    const { status, json } = await askAt(provider.url, "50ms");
    expect([status, json.error.message]).to.deep.equal([504, "the provider did not begin to answer in time"]);
    expect(provider.calls() - before).to.equal(1);
  });

  const hanging: Record<string, (socket: Socket) => void> = {
    "hangs before it answers": () => undefined,
    "hangs in the body": (socket) => socket.write(`${head}content-length: 100\r\n\r\n{"data":`),
    "drips for ever": (socket) => {
      socket.write(`${head}transfer-encoding: chunked\r\n\r\n`);
      const timer = setInterval(() => socket.write("1\r\n \r\n"), 20);
      socket.once("close", () => clearInterval(timer));
    },
  };
  for (const [name, behaviour] of Object.entries(hanging)) {
    it(`${name}: 504, and it is not asked again`, async () => {
      expect(await ask(behaviour)).to.include({ status: 504, code: "upstream_timeout", calls: 1 });
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

  for (const [name, reply] of Object.entries({
    "says more bytes than it sends": `${head}content-length: 100\r\n\r\n{"data":[]}`,
    "says fewer bytes than it sends": `${head}content-length: 5\r\n\r\n{"data":[]}`,
    "ends in the middle of a chunk": `${head}transfer-encoding: chunked\r\n\r\nff\r\n{"data"`,
    "says gzip and sends none": `${head}content-encoding: gzip\r\ncontent-length: 11\r\n\r\n{"data":[]}`,
    "answers with nothing but a status": "HTTP/1.1 204 No Content\r\n\r\n",
    "nests its answer without end": `${head}\r\n{"data":${"[".repeat(20_000)}${"]".repeat(20_000)}}`,
    "nests its usage without end": `${head}\r\n{"data":[{"url":"https://a.example/1"}],"usage":${"[".repeat(20_000)}${"]".repeat(20_000)}}`,
  })) {
    it(`${name}: 502 bad_upstream_response`, async () => {
      expect(await ask((socket) => socket.end(reply))).to.include({ status: 502, code: "bad_upstream_response", calls: 1 });
    });
  }

  for (const [name, reply] of Object.entries({
    "speaks something else than HTTP": "SSH-2.0-OpenSSH_9\r\n",
    "sends a header that is none": "HTTP/1.1 200 OK\r\nbad\u0000header: x\r\n\r\n",
    "sends endless headers": `HTTP/1.1 200 OK\r\n${"x-a: b\r\n".repeat(5000)}\r\n`,
    "switches protocols": "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    "closes without a word": "",
  })) {
    it(`${name}: 502, and it is not asked again`, async () => {
      expect(await ask((socket) => socket.end(reply))).to.include({ status: 502, code: "upstream_error", calls: 1 });
    });
  }

  it("resets the connection: 502, and it is not asked again", async () => {
    expect(await ask((socket) => socket.resetAndDestroy())).to.include({ status: 502, code: "upstream_error", calls: 1 });
  });

  for (const status of [301, 302, 303, 307, 308]) {
    it(`answers ${status}: never followed`, async () => {
      const reply = `HTTP/1.1 ${status} Moved\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n`;
      expect(await ask((socket) => socket.end(reply))).to.include({ status: 502, code: "bad_upstream_response", calls: 1 });
    });
  }

  it("says that its answer has 300 MB: refused before it is read", async () => {
    const answer = await ask((socket) => socket.write(`${head}content-length: ${300 * 1024 * 1024}\r\n\r\n{`));
    expect(answer).to.include({ status: 502, code: "bad_upstream_response" });
    expect(answer.json.error.message).to.contain("larger than");
  });

  it("sees the client go: its connection is closed", async () => {
    const closed = new Promise<void>((resolve) => {
      talk = (socket) => socket.once("close", () => resolve());
    });
    await draw(gateway, { model: "dall-e-2", prompt: "x" }, AbortSignal.timeout(100)).catch(() => undefined);
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
