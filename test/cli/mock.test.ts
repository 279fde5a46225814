import { expect } from "chai";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { imageSize } from "image-size";
import { mock } from "../../src/cli/mock.ts";
import { loadChannels } from "../../src/channels/load.ts";
import { createTable } from "../../src/gateway/table.ts";
import { startGateway } from "../../src/testing/gateway.ts";
import { plugins } from "../helpers/channels.ts";
import { startProcess } from "../process/serve-process.ts";

/** A channel whose answer is the picture itself. */
const bytes = `base_url: https://bytes.invalid
keys: ["\${env.BYTES_KEY}"]
models: { painted: { schema: demo } }
plugins: [{ fan-out: { max: 1 } }]
generate:
  request: { post: /paint, json: { text: "\${request.prompt}" } }
  result: { bytes: true }
tests:
  - name: a prompt that is refused
    request: { model: painted, prompt: bad }
    exchange: [{ expect: { post: /paint }, reply: { status: 400, json: { error: "no \${env.BYTES_KEY}" } } }]
    answer: { status: 400 }
  - name: two pictures
    request: { model: painted, prompt: a dog, n: 2 }
    exchange:
      - { expect: { post: /paint, json: { text: a dog } }, reply: { base64: "\${png(48, 32)}" } }
      - { expect: { post: /paint, json: { text: a dog } }, reply: { base64: "\${png(64, 32)}" } }
    answer: { status: 200 }
  - name: a picture
    request: { model: painted, prompt: a cat }
    exchange: [{ expect: { post: /paint, headers: { authorization: "Bearer env:BYTES_KEY" }, json: { text: a cat } }, reply: { base64: "\${png(32, 16)}" } }]
    answer: { status: 200 }
  - name: nothing is sent
    request: { model: painted }
    answer: { status: 400 }
`;

/** A task that is waited for, and a picture that has to be fetched. */
const task = `base_url: https://task.invalid
keys: ["\${env.TASK_KEY}"]
models: { awaited: { schema: demo } }
plugins: [{ fan-out: { max: 1 } }]
generate:
  request: { post: /draw, json: { text: "\${request.prompt}" } }
  poll: { get: "/tasks/\${submitted.id}", every: 10ms, state: "\${body.state}", pending: [queued], done: [ready] }
  result: { images: "\${body.images}", url: "\${image}" }
tests:
  - name: a picture
    request: { model: awaited, prompt: a cat }
    exchange:
      - { expect: { post: /draw, json: { text: a cat } }, reply: { json: { id: t1 } } }
      - { expect: { get: /tasks/t1 }, reply: { json: { state: queued } } }
      - { expect: { get: /tasks/t1 }, reply: { json: { state: ready, images: ["\${base_url}/cat.png?signature=x"] } } }
    answer: { status: 200 }
`;

/** A channel that uploads to another host. */
const hosts = `base_url: https://hosts.invalid
variables: { store: https://store.example }
models: { uploaded: { schema: demo }, elsewhere: { schema: demo, base_url: https://two.example/v2 } }
generate:
  before: { upload: { put: "\${variables.store}/files?a=b" } }
  request: { post: /draw, json: { text: "\${request.prompt}", file: "\${before.upload.id}" } }
  result: { images: "\${body.images}", url: "\${image}" }
tests:
  - name: an upload
    request: { model: uploaded, prompt: a cat }
    exchange: [{ expect: { put: "https://store.example/files?a=b" }, reply: { json: { id: 1 } } }]
    answer: { status: 502 }
  - name: a call to the model's own address
    request: { model: elsewhere, prompt: a cat }
    exchange: [{ expect: { post: https://two.example/v2/draw }, reply: { json: { id: 2 } } }]
    answer: { status: 502 }
`;

describe("pictor mock", () => {
  let folder: string;
  let said: string[];
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "pictor-mock-"));
    await mkdir(join(folder, "models"));
    for (const name of [
      "models/common.json",
      "models/demo.json",
      "models/cogview-4.json",
      "models/cogview-3-flash.json",
      "models/glm-image.json",
      "demo.yaml",
      "zhipu-cogview.yaml",
      "tests/zhipu-cogview.yaml",
    ])
      await cp(join("channels", name), join(folder, name));
    await writeFile(join(folder, "bytes.yaml"), bytes);
    await writeFile(join(folder, "task.yaml"), task);
    await writeFile(join(folder, "hosts.yaml"), hosts);
  });
  after(() => rm(folder, { recursive: true }));

  /** Play a channel for as long as `run` takes. */
  async function playing(
    name: string,
    run: (url: string) => Promise<void>,
    options: { port?: string; json?: boolean } = {},
  ): Promise<void> {
    said = [];
    const provider = await mock(name, { port: "0", ...options }, { PICTOR_CHANNELS: folder }, (line) => void said.push(line));
    try {
      await run(provider.url);
    } finally {
      await provider.close();
    }
  }

  /** The pictures that the gateway gives when a channel is played, as their sizes. */
  async function picturesOf(channel: string, order: Record<string, unknown>): Promise<string[]> {
    const sizes: string[] = [];
    await playing(channel, async (url) => {
      const prefix = channel.toUpperCase().replace("-", "_");
      const env = { [`${prefix}_BASE_URL`]: url, [`${prefix}_API_KEY`]: "any" };
      expect(said).to.deep.equal([`${channel} is played at ${url}; start the gateway with ${prefix}_BASE_URL=${url} and any key`]);
      const table = createTable(await loadChannels({ folder, plugins, env }));
      const gateway = await startGateway({ table: () => table });
      try {
        const response = await fetch(`${gateway.url}/v1/images/generations`, {
          method: "POST",
          headers: { authorization: `Bearer ${gateway.key}`, "content-type": "application/json" },
          body: JSON.stringify({ response_format: "b64_json", ...order }),
        });
        const text = await response.text();
        expect(response.status, text).to.equal(200);
        for (const { b64_json } of (JSON.parse(text) as { data: { b64_json: string }[] }).data) {
          const { width, height } = imageSize(Buffer.from(b64_json, "base64"));
          sizes.push(`${width}x${height}`);
        }
      } finally {
        await gateway.close();
      }
    });
    return sizes;
  }

  it("plays a channel that answers at once", async () =>
    expect(await picturesOf("zhipu-cogview", { model: "cogview-4", prompt: "whatever" })).to.deep.equal(["64x64"]));

  it("plays a channel that makes tasks, for several clients at a time", async () =>
    expect(await picturesOf("task", { model: "awaited", prompt: "another cat", n: 3 })).to.deep.equal(["64x64", "64x64", "64x64"]));

  it("plays a channel whose answer is the picture, by the test that has the body", async () => {
    expect(await picturesOf("bytes", { model: "painted", prompt: "a cat" })).to.deep.equal(["32x16"]);
    expect(await picturesOf("bytes", { model: "painted", prompt: "whatever" })).to.deep.equal(["48x32"]);
  });

  it("draws what is asked for as demo", async () =>
    expect(await picturesOf("demo", { model: "demo", prompt: "a cat", size: "96x80" })).to.deep.equal(["96x80"]));

  it("tells of each call which test it was answered with, and why, without its key", () =>
    playing("task", async (url) => {
      const call = async (method: string, path: string, body?: object) =>
        (await fetch(url + path, { method, headers: { authorization: "Bearer secret" }, body: body && JSON.stringify(body) })).text();
      await call("POST", "/draw", { text: "a cat" });
      await call("POST", "/draw", { text: "a dog" });
      for (let times = 0; times < 3; times += 1) await call("GET", "/tasks/t1");
      await call("GET", "/cat.png");
      await call("POST", "/drew");
      expect(said.slice(1)).to.deep.equal([
        'POST /draw: answered as in the test "a picture": the call is the same',
        'POST /draw: answered as in the test "a picture": it is the nearest; json.text is "a dog", expected "a cat"',
        'GET /tasks/t1: answered as in the test "a picture": it follows there',
        'GET /tasks/t1: answered as in the test "a picture": it follows there',
        'GET /tasks/t1: answered as in the test "a picture": as the last time, no further one follows',
        "GET /cat.png: answered with a picture, since no test has it",
        "POST /drew: answered with 404, since no test has it (did you mean POST /draw?)",
      ]);
    }));

  it("meets an exchange on another host at its path", () =>
    playing("hosts", async (url) => {
      const upload = await fetch(`${url}/files?a=b`, { method: "PUT", body: "x" });
      expect([await upload.json(), said[1]]).to.deep.equal([
        { id: 1 },
        'PUT /files?a=b: answered as in the test "an upload": it is the nearest; it names no body',
      ]);
    }));

  it("stands at the own address of a model too", () =>
    playing("hosts", async (url) => {
      expect(await (await fetch(`${url}/draw`, { method: "POST", body: "{}" })).json()).to.deep.equal({ id: 2 });
    }));

  it("answers other calls with 404, and says so", () =>
    playing(
      "bytes",
      async (url) => {
        expect(JSON.parse(said[0]!)).to.deep.equal({ url, variable: "BYTES_BASE_URL" });
        const response = await fetch(`${url}/nowhere`, { method: "POST" });
        expect([response.status, await response.json()]).to.deep.equal([404, { error: "no test of bytes has POST /nowhere" }]);
      },
      { json: true },
    ));

  it("refuses a channel that is not there, and a port that it cannot have", async () => {
    const refused = (name: string, port: string) =>
      playing(name, () => Promise.resolve(), { port }).then(
        () => "it played",
        (error: unknown) => (error as Error).message,
      );
    expect(await refused("byte", "0")).to.equal("there is no channel byte (did you mean bytes?)");
    for (const port of ["x", "-1", "65536", "1.5", ""])
      expect(await refused("bytes", port)).to.equal(`--port is ${port}; it must be a whole number from 0 to 65535`);
    await playing("bytes", async (url) => {
      const { port } = new URL(url);
      for (const name of ["bytes", "demo"]) expect(await refused(name, port)).to.equal(`port ${port} is taken; choose another with --port`);
    });
  });

  it("is a command that runs until it is told to end", async () => {
    const played = startProcess({ PICTOR_CHANNELS: folder }, process.cwd(), ["mock", "task", "--port", "0", "--json"]);
    try {
      while (!played.logged().includes("\n")) await new Promise((resolve) => setTimeout(resolve, 20));
      const { url } = JSON.parse(played.logged()) as { url: string };
      expect(await (await fetch(`${url}/draw`, { method: "POST" })).json()).to.deep.equal({ id: "t1" });
      played.child.kill("SIGTERM");
      expect(await played.ended).to.equal(0);
    } finally {
      played.child.kill("SIGKILL");
    }
  });
});
