// Pictures that are small to send and expensive to look at.
import { deflateSync } from "node:zlib";
import { expect } from "chai";
import { InputImage } from "../../src/picture/input.ts";
import { judgeImage } from "../../src/picture/judge.ts";
import { convertMask, shrink } from "../../src/picture/mask.ts";
import { isBomb, pixelWork } from "../../src/picture/pixels.ts";
import { pngChunk, solidPng } from "../../src/picture/png.ts";
import { pngProblem, pngWork } from "../../src/picture/png-lies.ts";
import { transcode } from "../../src/picture/transcode.ts";
import { longestTurn, longestWork, stopwatch, watchTurns } from "../helpers/turns.ts";

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield await Promise.resolve(bytes);
}

const png = solidPng(8, 8);
const head = png.subarray(0, 33);
const empty = pngChunk("IDAT", Buffer.alloc(0));
const end = pngChunk("IEND", Buffer.alloc(0));
const data = deflateSync(Buffer.alloc(16));
const around = (...parts: Buffer[]) => Buffer.concat([head, ...parts, pngChunk("IDAT", data), end]);

/** 34 bytes that say 10000x10000. */
function hugeWebp(): Buffer {
  const webp = Buffer.from("524946461a000000574542505650384c0d0000002f0000000007d0ffff00000000000000", "hex");
  webp.writeUInt32LE((9999 | (9999 << 14)) >>> 0, 21);
  return webp;
}

describe("pictures that are expensive to look at", () => {
  it("a PNG of empty pieces costs no journey to another thread for each, and one of half a million is refused", async () => {
    expect(await pngProblem(once(around()))).to.equal(undefined);
    const [many, tooMany] = [90_000, 500_000].map((pieces) => around(Buffer.alloc(empty.length * pieces, empty)));
    const took = stopwatch();
    const turns = watchTurns();
    expect(await pngProblem(once(many!))).to.equal(undefined);
    expect(await pngProblem(once(tooMany!))).to.match(/more than the 100000 chunks/);
    turns.stop();
    // A journey for each piece took 27 seconds.
    expect(took()).to.be.lessThan(longestWork);
    expect(turns.longest(), "milliseconds that nobody else had a turn").to.be.lessThan(longestTurn);
  }).retries(3);

  it("a PNG of single bytes is unpacked in few pieces", async () => {
    const single = Array.from(data, (byte) => pngChunk("IDAT", Buffer.of(byte)));
    expect(await pngProblem(once(Buffer.concat([head, ...single, end])))).to.equal(undefined);
  });

  it("a large PNG is unpacked in the line for pixel work, by what its header says", async () => {
    expect(pngWork(png)).to.equal(4);
    const large = solidPng(16_000, 6000);
    expect(pngWork(large)).to.equal(3_001_500);
    const deep = Buffer.from(large);
    deep.writeUInt8(16, 24);
    deep.writeUInt8(6, 25);
    expect(pngWork(deep)).to.equal(192_001_500);
    let free: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (free = resolve));
    const held = [1, 2, 3].map(() => pixelWork.take(1, new AbortController().signal, () => gate));
    let judged = false;
    const judging = judgeImage({ kind: "bytes", bytes: deep }, { field: "image", index: 0 }, { bytes: 1e9, pixels: 1e9 }).then(
      () => (judged = true),
      (error: unknown) => {
        judged = true;
        return error;
      },
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(judged).to.equal(false);
    free();
    await Promise.all(held);
    expect(await judging).to.have.property("message", "image holds fewer pixels than its header says");
  });

  it("a WebP of 34 bytes that says it has 100 megapixels is not unpacked to be converted", async () => {
    const webp = hugeWebp();
    const how = { format: "png", quality: 90, effort: 1, background: "#ffffff", metadata: "keep", anew: false } as const;
    const spool = { take: () => Promise.reject(new Error("nothing is to be held")) };
    const failure: unknown = await transcode({ kind: "bytes", bytes: webp }, how, { spool, signal: new AbortController().signal }).catch(
      (error: unknown) => error,
    );
    expect(failure).to.have.property("message", "the picture that came back says that it has more pixels than its bytes can hold");
    expect(isBomb(100_000_000, solidPng(10_000, 10_000).length)).to.equal(false);
  });

  it("masks and images to be made smaller are not unpacked where they have more pixels than their bytes can hold", async () => {
    const webp = hugeWebp();
    const image = new InputImage({ data: { kind: "bytes", bytes: webp }, field: "mask", name: "m.webp", type: "image/webp" });
    for (const work of [convertMask(image, "white"), shrink(image, { side: 64, bytes: 1e6 })]) {
      const failure: unknown = await work.catch((error: unknown) => error);
      expect(failure).to.include({ code: "invalid_image_file", message: "mask says that it has more pixels than its bytes can hold" });
    }
  });
});
