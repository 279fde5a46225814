import { mkdtemp, rm } from "node:fs/promises";
import { request, type IncomingHttpHeaders } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { expect } from "chai";
import { solidPng } from "../../src/picture/png.ts";
import { openFolderStore } from "../../src/picture/folder-store.ts";
import type { PictureStore } from "../../src/picture/store.ts";
import { dial, errorOf, startHouse, until, type House } from "./setup.ts";

describe("http: a stored picture", () => {
  const bytes = solidPng(640, 480);
  let house: House;
  let store: PictureStore;
  let folder: string;
  let url: string;
  let now: number;

  before(async () => {
    // The folder is a hidden one with a percent sign, as the default folder is a hidden one too.
    now = Date.now();
    folder = join(await mkdtemp(join(tmpdir(), "pictor-http-")), ".data%20");
    store = await openFolderStore({ folder, life: 3600, now: () => now });
    house = await startHouse(undefined, { store });
    url = `${house.url}/images/${(await store.save(pieces(bytes))).id}`;
  });
  after(async () => {
    await house.close();
    await store.close();
    await rm(join(folder, ".."), { recursive: true });
  });

  const ask = (headers: Record<string, string> = {}, method = "GET") => fetch(url, { method, headers });
  /** Without the `cache-control: no-cache` that fetch adds to a conditional request. */
  const askPlainly = (headers: Record<string, string>) =>
    new Promise<{ status?: number; headers: IncomingHttpHeaders; length: number }>((resolve, reject) => {
      request(url, { headers }, (response) => {
        void buffer(response).then(({ length }) => resolve({ status: response.statusCode, headers: response.headers, length }), reject);
      }).end();
    });
  const bytesOf = async (response: Response) => Buffer.from(await response.arrayBuffer());

  it("comes back byte for byte, with its media type and the rest of its life", async () => {
    const response = await ask();
    expect(response.status).to.equal(200);
    expect((await bytesOf(response)).equals(bytes)).to.equal(true);
    expect(Object.fromEntries(response.headers)).to.include({
      "content-type": "image/png",
      "content-length": String(bytes.length),
      "accept-ranges": "bytes",
      "x-content-type-options": "nosniff",
    });
    expect(response.headers.get("content-security-policy")).to.match(/^default-src 'none'.*; sandbox$/);
    expect(response.headers.get("etag")).to.match(/^"[0-9a-f]{64}"$/);
    expect(response.headers.get("cache-control")).to.match(/^public, max-age=(3600|359\d), immutable$/);
    expect(response.headers.get("x-request-id")).to.match(/^req_/);
  });

  it("counts as fetched by a client that goes as soon as it has the last byte", async () => {
    let leave: () => void = () => undefined;
    const gone = new Promise<void>((resolve) => (leave = resolve));
    const read = () => Promise.resolve(Readable.from(endingLate(pieces(bytes), gone)));
    const late = await startHouse(undefined, { store: { ...store, read } });
    try {
      const socket = await dial(late.url);
      let received = Buffer.alloc(0);
      socket.on("data", (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
        if (received.subarray(-bytes.length).equals(bytes)) socket.destroy();
      });
      socket.write(`GET ${new URL(url).pathname} HTTP/1.1\r\nhost: a\r\n\r\n`);
      await until(() => late.log.some(({ msg }) => msg === "request"), "the request is logged");
      expect(late.log.map(({ status }) => status)).to.deep.equal([200]);
    } finally {
      leave();
      await late.close();
    }
  });

  it("that is a drawing or moves has its own media type, and no script of it is run", async () => {
    const svg = "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'></svg>";
    for (const [text, type] of [
      [svg, "image/svg+xml"],
      ["GIF89a\x08\0\x08\0\0\0\0;", "image/gif"],
    ] as const) {
      const { id } = await store.save(pieces(Buffer.from(text, "latin1")));
      const response = await fetch(`${house.url}/images/${id}`);
      expect(response.headers.get("content-type")).to.equal(type);
      expect(response.headers.get("content-security-policy")).to.match(/default-src 'none'.*; sandbox$/);
      expect((await bytesOf(response)).toString("latin1")).to.equal(text);
    }
  });

  it("answers HEAD with the same headers and no bytes", async () => {
    const [got, head] = [await ask(), await ask({}, "HEAD")];
    await got.arrayBuffer();
    expect(head.status).to.equal(200);
    expect((await bytesOf(head)).length).to.equal(0);
    for (const name of ["content-type", "content-length", "etag"]) expect(head.headers.get(name), name).to.equal(got.headers.get(name));
  });

  for (const [range, from, to] of [
    ["bytes=0-0", 0, 1],
    ["bytes=10-19", 10, 20],
    ["bytes=-5", bytes.length - 5, bytes.length],
    ["bytes=20-", 20, bytes.length],
    ["bytes=0-999999999", 0, bytes.length],
  ] as const) {
    it(`gives ${range} of itself`, async () => {
      const response = await ask({ range });
      expect(response.status).to.equal(206);
      expect(response.headers.get("content-range")).to.equal(`bytes ${from}-${to - 1}/${bytes.length}`);
      expect((await bytesOf(response)).equals(bytes.subarray(from, to))).to.equal(true);
    });
  }

  it("comes whole where several ranges are asked for, or what is none", async () => {
    for (const range of ["bytes=0-1,4-5", "bytes=5-2", "bytes=-", "lines=0-1"]) {
      const response = await ask({ range });
      expect([response.status, (await bytesOf(response)).length], range).to.deep.equal([200, bytes.length]);
    }
  });

  it("refuses a range beyond its end, and that answer is not to be kept", async () => {
    const response = await ask({ range: `bytes=${bytes.length}-` });
    expect(response.headers.get("content-range")).to.equal(`bytes */${bytes.length}`);
    expect(response.headers.get("cache-control")).to.equal(null);
    expect(response.headers.get("etag")).to.equal(null);
    await errorOf(response, 416, "invalid_value");
  });

  it("is not sent again to one who has it", async () => {
    const etag = (await ask({}, "HEAD")).headers.get("etag")!;
    for (const known of [etag, `"other", ${etag}`, "*"]) {
      const { status, headers, length } = await askPlainly({ "if-none-match": known });
      expect({ status, etag: headers.etag, length }, known).to.deep.equal({ status: 304, etag, length: 0 });
    }
    expect((await askPlainly({ "if-none-match": '"other"' })).length).to.equal(bytes.length);
    expect((await ask({ "if-range": etag, range: "bytes=0-1" }, "HEAD")).status).to.equal(206);
    expect((await ask({ "if-range": '"other"', range: "bytes=0-1" }, "HEAD")).status).to.equal(200);
  });

  it("is not there under any other id", async () => {
    for (const id of ["x", "..%2f..%2fetc%2fpasswd", "%01", "%zz", `${"a".repeat(31)}%0a`, "a".repeat(5000)])
      await errorOf(await fetch(`${house.url}/images/${id}`), 404, "not_found");
  });

  it("ends as a broken connection when its reader hangs up, and nothing is logged as an error", async () => {
    const id = (await store.save(pieces(Buffer.concat([bytes, Buffer.alloc(30_000_000)])))).id;
    const stop = new AbortController();
    const response = await fetch(`${house.url}/images/${id}`, { signal: stop.signal });
    await response.body!.getReader().read();
    stop.abort();
    const line = () => house.log.find(({ path, status }) => status === 499 && path === `/images/${id.slice(0, 8)}...`);
    for (let tries = 0; !line() && tries < 200; tries += 1) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(line()).to.include({ method: "GET", msg: "request" });
    expect(house.log.filter(({ level }) => Number(level) > 30)).to.deep.equal([]);
  });

  it("is gone from the disk under the feet of a request: 404", async () => {
    const lost = await store.save(pieces(solidPng(8, 8)));
    const gone: PictureStore = {
      ...store,
      find: (id) => store.find(id).then((found) => found && { ...found, etag: `"${"0".repeat(64)}"` }),
    };
    const other = await startHouse(undefined, { store: gone });
    try {
      const response = await fetch(`${other.url}/images/${lost.id}`);
      expect(response.headers.get("cache-control")).to.equal(null);
      await errorOf(response, 404, "not_found");
    } finally {
      await other.close();
    }
  });

  it("is gone after its life, and was not to be kept any longer", async () => {
    now -= 3_599_500;
    const old = `${house.url}/images/${(await store.save(pieces(bytes))).id}`;
    now += 3_599_500;
    expect((await fetch(old, { method: "HEAD" })).headers.get("cache-control")).to.equal("public, max-age=0, immutable");
    now += 1000;
    await errorOf(await fetch(old), 404, "not_found");
    await errorOf(await fetch(old, { headers: { range: "bytes=0-1" } }), 404, "not_found");
  });
});

async function* pieces(bytes: Buffer): AsyncGenerator<Buffer> {
  await Promise.resolve();
  for (let at = 0; at < bytes.length; at += 1_000_000) yield bytes.subarray(at, at + 1_000_000);
}

/** The same, and an end that comes only later. */
async function* endingLate(chunks: AsyncIterable<Buffer>, end: Promise<void>): AsyncGenerator<Buffer> {
  yield* chunks;
  await end;
}
