import { once } from "node:events";
import { Agent, request as send } from "node:http";
import { connect } from "node:net";
import { expect } from "chai";
import sharp from "sharp";
import { startDemoProvider } from "../../src/demo/server.ts";

interface Drawn {
  pictures: { base64: string; seed: number }[];
  format: string;
  width: number;
  height: number;
}

const cat = { prompt: "a cat", width: 96, height: 64 };

describe("demo: server", () => {
  let provider: Awaited<ReturnType<typeof startDemoProvider>>;
  before(async () => (provider = await startDemoProvider()));
  after(() => provider.close());

  const post = (body: unknown, init: RequestInit = {}): Promise<Response> =>
    fetch(`${provider.url}/draw`, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body), ...init });
  const drawn = async (body: object): Promise<Drawn> => {
    const response = await post(body);
    expect(response.status).to.equal(200);
    return (await response.json()) as Drawn;
  };
  const bytes = ({ pictures }: Drawn, index = 0): Buffer => Buffer.from(pictures[index]!.base64, "base64");

  it("listens on loopback only", () => expect(new URL(provider.url).hostname).to.equal("127.0.0.1"));

  it("draws one png unless told otherwise", async () => {
    const answer = await drawn(cat);
    const { format, width, height } = await sharp(bytes(answer)).metadata();
    expect({ ...answer, pictures: answer.pictures.length }).to.deep.equal({ pictures: 1, format: "png", width: 96, height: 64 });
    expect({ format, width, height }).to.deep.equal({ format: "png", width: 96, height: 64 });
  });

  it("shows each picture's sketches before it, in the picture's size and format", async () => {
    const response = await post({ ...cat, format: "webp", count: 2, stream: true, sketches: 1 });
    expect(response.headers.get("content-type")).to.equal("text/event-stream");
    const events = [...(await response.text()).matchAll(/event: (.*)\ndata: (.*)\n\n/g)];
    expect(events.map(([, name]) => name)).to.deep.equal(["sketch", "picture", "sketch", "picture"]);
    for (const [, , data = ""] of events) {
      const { format, width, height } = await sharp(Buffer.from((JSON.parse(data) as { base64: string }).base64, "base64")).metadata();
      expect({ format, width, height }).to.deep.equal({ format: "webp", width: 96, height: 64 });
    }
  });

  it("draws several pictures, each of its own seed", async () => {
    const several = await drawn({ ...cat, count: 3, seed: 7 });
    expect(several.pictures.map(({ seed }) => seed)).to.deep.equal([7, 8, 9]);
    expect(new Set(several.pictures.map(({ base64 }) => base64)).size).to.equal(3);
    expect((await drawn({ ...cat, seed: 9 })).pictures[0]).to.deep.equal(several.pictures[2]);
  });

  it("chooses a seed when none is given", async () => {
    const [one, other] = [await drawn(cat), await drawn(cat)];
    expect(one.pictures[0]!.seed).to.be.within(0, 2 ** 32 - 1);
    expect(one.pictures[0]!.seed).to.not.equal(other.pictures[0]!.seed);
  });

  it("passes every option on", async () => {
    const plain = { ...cat, seed: 1, format: "webp" };
    const usual = await drawn(plain);
    expect(usual.format).to.equal("webp");
    expect(
      bytes(usual).equals(bytes(await drawn({ ...plain, background: "opaque", watermark: false, style: { any: ["thing"] } }))),
    ).to.equal(true);
    for (const option of [{ quality: 10 }, { watermark: true }, { background: "transparent" }]) {
      expect(bytes(usual).equals(bytes(await drawn({ ...plain, ...option }))), JSON.stringify(option)).to.equal(false);
    }
    expect((await sharp(bytes(await drawn({ ...plain, background: "transparent" }))).metadata()).hasAlpha).to.equal(true);
  });

  const wrong: [fields: object, field: string, problem: string][] = [
    [{ prompt: undefined }, "prompt", "prompt is missing"],
    [{ width: undefined }, "width", "width is missing"],
    [{ height: undefined }, "height", "height is missing"],
    [{ prompt: 1 }, "prompt", "prompt must be a text"],
    [{ width: 15 }, "width", "width must be 16 to 4096"],
    [{ height: 4097 }, "height", "height must be 16 to 4096"],
    [{ width: "96" }, "width", "width must be 16 to 4096"],
    [{ count: 0 }, "count", "count must be 1 to 10"],
    [{ count: 11 }, "count", "count must be 1 to 10"],
    [{ count: 1.5 }, "count", "count must be 1 to 10"],
    [{ count: null }, "count", "count must be 1 to 10"],
    [{ format: "gif" }, "format", "format must be png, jpeg or webp"],
    [{ quality: 101 }, "quality", "quality must be 0 to 100"],
    [{ seed: -1 }, "seed", "seed must be 0 to 4294967295"],
    [{ watermark: "yes" }, "watermark", "watermark must be true or false"],
    [{ background: "red" }, "background", "background must be transparent, opaque or auto"],
    [{ background: "transparent", format: "jpeg" }, "background", "background must be opaque or auto in a jpeg"],
    [
      { size: "96x64" },
      "size",
      "size is not a known field; known: prompt, width, height, count, format, quality, seed, watermark, background, style, stream, sketches",
    ],
  ];
  for (const [fields, field, problem] of wrong) {
    it(`refuses ${JSON.stringify(fields)}: ${problem}`, async () => {
      const response = await post({ ...cat, ...fields });
      expect(response.status).to.equal(422);
      expect(await response.json()).to.deep.equal({ problem, field });
    });
  }

  it("refuses a prompt with the word forbidden, and only with the whole word", async () => {
    const response = await post({ ...cat, prompt: "a FORBIDDEN, city" });
    expect(response.status).to.equal(422);
    expect(await response.json()).to.deep.equal({ problem: "the prompt was refused by the demo's moderation", refused: true });
    await drawn({ ...cat, prompt: "unforbidden" });
  });

  for (const body of ["", "{", "null", "[]", "7", '"a cat"']) {
    it(`answers 400 to the body ${body || "that is empty"}`, async () => {
      const response = await post(body);
      expect(response.status).to.equal(400);
      expect(await response.json()).to.deep.equal({ problem: "the body must be a JSON object" });
    });
  }

  it("takes a body of 1 MiB and not a byte more", async () => {
    const text = JSON.stringify(cat).padEnd(2 ** 20);
    expect((await post(text)).status).to.equal(200);
    const response = await post(`${text} `);
    expect(response.status).to.equal(413);
    expect(await response.json()).to.deep.equal({ problem: "the body must be at most 1 MiB" });
    expect((await post("x".repeat(2 ** 23))).status).to.equal(413);
  });

  it("knows one path and one method", async () => {
    const path = await fetch(`${provider.url}/images`, { method: "POST", body: "{}" });
    expect(path.status).to.equal(404);
    expect(await path.json()).to.deep.equal({ problem: "no such path; there are /draw and /retouch" });
    const method = await fetch(`${provider.url}/draw`);
    expect([method.status, method.headers.get("allow")]).to.deep.equal([405, "POST"]);
    expect(await method.json()).to.deep.equal({ problem: "the method must be POST" });
  });

  it("draws at most two pictures at once", async () => {
    const busy: number[] = [];
    const look = (): unknown => busy.push(sharp.counters().process + sharp.counters().queue);
    sharp.queue.on("change", look);
    try {
      await Promise.all(Array.from({ length: 6 }, () => drawn({ ...cat, width: 512, height: 512, count: 2 })));
    } finally {
      sharp.queue.off("change", look);
    }
    expect(Math.max(...busy)).to.equal(2);
  });

  it("survives a client that breaks off its body", async () => {
    const socket = connect(Number(new URL(provider.url).port), "127.0.0.1");
    await once(socket, "connect");
    socket.write('POST /draw HTTP/1.1\r\nhost: demo\r\ncontent-length: 100\r\n\r\n{"prompt"');
    await new Promise((resolve) => setTimeout(resolve, 30));
    socket.destroy();
    await drawn(cat);
  });
});

describe("demo: closing the server", () => {
  it("stops drawing for a client that hung up, and waits for the picture in hand", async () => {
    const provider = await startDemoProvider();
    const client = new AbortController();
    const body = JSON.stringify({ prompt: "a cat", width: 1024, height: 1024, count: 10 });
    let tasks = 0;
    const count = (): void => {
      tasks += 1;
      client.abort();
    };
    sharp.queue.on("change", count);
    try {
      const hungUp = await fetch(`${provider.url}/draw`, { method: "POST", body, signal: client.signal }).catch((error: unknown) => error);
      expect(hungUp).to.have.property("name", "AbortError");
      await provider.close();
    } finally {
      sharp.queue.off("change", count);
    }
    const atClose = tasks;
    expect(sharp.counters()).to.deep.equal({ queue: 0, process: 0 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(tasks).to.equal(atClose);
    // Ten pictures would be twenty tasks, and the queue tells of each at least once.
    expect(tasks).to.be.below(10);
  });

  it("lets a running request finish and ends kept connections", async () => {
    const provider = await startDemoProvider();
    const agent = new Agent({ keepAlive: true });
    try {
      const order = (): ReturnType<typeof send> =>
        send(`${provider.url}/draw`, { method: "POST", agent }).end(JSON.stringify({ prompt: "a cat", width: 512, height: 512 }));
      const [kept] = (await once(order(), "response")) as [NodeJS.ReadableStream];
      kept.resume();
      await once(kept, "end");
      const running = order();
      const answered = once(running, "response");
      await new Promise((resolve) => setTimeout(resolve, 20));
      const start = performance.now();
      const closing = provider.close();
      const [response] = (await answered) as [NodeJS.ReadableStream & { statusCode: number }];
      expect(response.statusCode).to.equal(200);
      response.resume();
      await closing;
      // A kept connection would hold the server for five seconds.
      expect(performance.now() - start).to.be.below(3000);
    } finally {
      agent.destroy();
    }
  });
});
