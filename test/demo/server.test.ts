// The demo's provider.
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

  it("hangs up on a form that ends within its picture, and serves the next", async () => {
    const head = '--x\r\ncontent-disposition: form-data; name="picture"; filename="a.png"\r\ncontent-type: image/png\r\n\r\n';
    const headers = { "content-type": "multipart/form-data; boundary=x" };
    for (const body of [`${head}\x89PNG\r\n`, head]) {
      const answer = await fetch(`${provider.url}/retouch`, { method: "POST", headers, body }).catch((error: unknown) => error);
      expect(answer).to.be.instanceOf(TypeError);
    }
    await drawn(cat);
  });

  it("draws several pictures, each of its own seed", async () => {
    const several = await drawn({ ...cat, count: 3, seed: 7 });
    expect(several.pictures.map(({ seed }) => seed)).to.deep.equal([7, 8, 9]);
    expect(new Set(several.pictures.map(({ base64 }) => base64)).size).to.equal(3);
    expect((await drawn({ ...cat, seed: 9 })).pictures[0]).to.deep.equal(several.pictures[2]);
  });

  it("refuses what is wrong, and says what would be right", async () => {
    const wrong: [fields: object, field: string, problem: string][] = [
      [{ prompt: undefined }, "prompt", "prompt is missing"],
      [{ width: "96" }, "width", "width must be 16 to 4096"],
      [{ height: 4097 }, "height", "height must be 16 to 4096"],
      [{ count: 1.5 }, "count", "count must be 1 to 10"],
      [{ format: "gif" }, "format", "format must be png, jpeg or webp"],
      [{ watermark: "yes" }, "watermark", "watermark must be true or false"],
      [{ background: "transparent", format: "jpeg" }, "background", "background must be opaque or auto in a jpeg"],
    ];
    for (const [fields, field, problem] of wrong) {
      const response = await post({ ...cat, ...fields });
      expect(response.status).to.equal(422);
      expect(await response.json()).to.deep.equal({ problem, field });
    }
  });

  it("refuses a prompt with the word forbidden, and only with the whole word", async () => {
    const response = await post({ ...cat, prompt: "a FORBIDDEN, city" });
    expect(response.status).to.equal(422);
    expect(await response.json()).to.deep.equal({ problem: "the prompt was refused by the demo's moderation", refused: true });
    await drawn({ ...cat, prompt: "unforbidden" });
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
});
