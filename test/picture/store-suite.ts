// The suite that every picture store passes, wherever it keeps pictures.
import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { buffer } from "node:stream/consumers";
import { expect } from "chai";
import { chunksOf, headOf, sizeOf } from "../../src/picture/convert.ts";
import { sniffBytes } from "../../src/picture/sniff.ts";
import type { PictureStore } from "../../src/picture/store.ts";

export const picture = Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), Buffer.alloc(100_000, "pixels")]);

export async function* source(...chunks: (Buffer | Error)[]): AsyncGenerator<Buffer> {
  for (const chunk of chunks) {
    await delay(1);
    if (chunk instanceof Error) throw chunk;
    yield chunk;
  }
}

/** A store whose pictures live for 60 s, and how many objects or files it holds, documents and links included. */
export interface Opened {
  store: PictureStore;
  count: () => Promise<number>;
}

/** Defines the tests. `open` gives an empty store by the clock that it is given. */
export function storeSuite(open: (now: () => number) => Promise<Opened>, close: () => Promise<void>): void {
  let store: PictureStore;
  let count: Opened["count"];
  let ahead: number;
  beforeEach(async () => {
    ahead = 0;
    ({ store, count } = await open(() => Date.now() + ahead));
  });
  afterEach(async () => {
    await store.close();
    await close();
  });

  it("keeps the exact bytes and tells what they are", async () => {
    const saved = await store.save(source(picture.subarray(0, 5), picture.subarray(5, 70_000), picture.subarray(70_000)));
    const hash = createHash("sha256").update(picture).digest("hex");
    expect(saved).to.include({ mediaType: "image/png", bytes: picture.length, etag: `"${hash}"` });
    expect(saved.expires).to.be.closeTo(Date.now() + 60_000, 5000);
    expect(await store.find(saved.id)).to.deep.equal(saved);
    expect((await buffer(await store.read(saved))).equals(picture)).to.equal(true);
    expect((await store.save(source(Buffer.from("text")))).mediaType).to.equal("application/octet-stream");
  });

  it("reads ranges", async () => {
    const saved = await store.save(source(picture));
    const last = picture.length - 1;
    for (const [start, end] of [
      [0, 0],
      [10, 19],
      [50_000, last],
      [last, last],
    ] as const)
      expect((await buffer(await store.read(saved, { start, end }))).equals(picture.subarray(start, end + 1)), `${start}-${end}`).to.equal(
        true,
      );
  });

  it("gives data that can be read as often as needed", async () => {
    const saved = await store.save(source(picture));
    const data = (await store.data(saved))!;
    expect([sizeOf(data), headOf(data)]).to.deep.equal([picture.length, picture.subarray(0, sniffBytes)]);
    for (let times = 0; times < 2; times += 1) expect(Buffer.concat(await all(chunksOf(data))).equals(picture)).to.equal(true);
  });

  it("keeps nothing when the source fails", async () => {
    const cut = new Error("cut");
    const failure = await store.save(source(picture, cut)).catch((error: unknown) => error);
    expect(failure).to.equal(cut);
    expect(await count()).to.equal(0);
  });

  it("gives each save an id of its own", async () => {
    const saved = await Promise.all(Array.from({ length: 5 }, async () => store.save(source(picture))));
    expect(new Set(saved.map(({ id }) => id)).size).to.equal(5);
    for (const { id } of saved) expect(id).to.match(/^[\w-]{32}$/);
  });

  it("replaces what was kept under an id", async () => {
    const { id } = await store.save(source(picture));
    const next = await store.save(source(Buffer.from("other")), 60, id);
    expect(await store.find(id)).to.deep.equal(next);
    expect((await buffer(await store.read(next))).toString()).to.equal("other");
  });

  it("forgets a picture after its life, or the life it was given", async () => {
    const [short, usual] = [await store.save(source(picture), 10), await store.save(source(picture))];
    ahead = 11_000;
    expect(await store.find(short.id)).to.equal(undefined);
    expect(await store.find(usual.id)).to.deep.equal(usual);
    ahead = 61_000;
    expect(await store.find(usual.id)).to.equal(undefined);
  });

  it("finds nothing for an id of another form", async () => {
    const { id, etag } = await store.save(source(picture));
    const hostile = [
      "",
      ".",
      "..",
      `../links/${id}`,
      `../../etc/passwd`,
      `${id}/`,
      `${id}\0`,
      `${id}\n`,
      id.slice(1),
      `a${id}`,
      etag.slice(1, -1),
      "a".repeat(32),
      `..${"/".repeat(30)}`,
    ];
    for (const each of hostile) expect(await store.find(each), JSON.stringify(each)).to.equal(undefined);
  });

  it("rejects with a 404 where a picture has gone since it was found", async () => {
    const saved = await store.save(source(picture), 10);
    ahead = 11_000;
    await store.sweep();
    const gone = await store.read(saved).catch((error: unknown) => error);
    expect(gone).to.include({ code: "not_found", status: 404 });
    expect(await store.data(saved)).to.equal(undefined);
  });

  it("sweeps what has expired, and nothing else", async () => {
    await store.save(source(picture), 10);
    const second = await store.save(source(picture), 100);
    await store.save(source(Buffer.from("other")), 10);
    const before = await count();
    expect(await store.sweep()).to.equal(0);
    ahead = 11_000;
    expect(await store.sweep()).to.be.greaterThan(1);
    expect(await count()).to.be.lessThan(before);
    expect((await buffer(await store.read(second))).equals(picture)).to.equal(true);
    ahead = 101_000;
    await store.sweep();
    expect(await count()).to.equal(0);
  });

  it("can be written", async () => {
    expect((await store.disk()).writable).to.equal(true);
    expect((await store.disk()).freeBytes).to.be.greaterThan(0);
  });
}

async function all(chunks: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const found: Buffer[] = [];
  for await (const chunk of chunks) found.push(chunk);
  return found;
}
