import { expect } from "chai";
import { readdir, rm } from "node:fs/promises";
import { deflateSync } from "node:zlib";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import sharp, { type Sharp } from "sharp";
import { ProviderFailure } from "../../src/errors.ts";
import { chunksOf } from "../../src/picture/convert.ts";
import { pngChunk, solidPng } from "../../src/picture/png.ts";
import { encodings, transcode, type Encoding } from "../../src/picture/transcode.ts";
import { createSpool } from "../../src/picture/spool.ts";
import { failureOf } from "../plugins/run.ts";
import { bytesOf } from "./bytes-of.ts";

const plain: Encoding = { quality: 90, effort: 0, background: "#ffffff", metadata: "keep", anew: false };
const never = new AbortController().signal;
const folder = join(tmpdir(), `pictor-transcode-${process.pid}`);
const spool = createSpool({ folder }).scope();

/** A small picture with a different colour in each pixel; with alpha each row lets more through. */
function picture(channels: 3 | 4 = 3): Sharp {
  const [width, height] = [32, 16];
  const pixels = Buffer.alloc(width * height * channels);
  for (let at = 0; at < width * height; at += 1) {
    const [x, y] = [at % width, Math.floor(at / width)];
    pixels.set([x * 8, y * 16, 128, 255 - y * 16].slice(0, channels), at * channels);
  }
  return sharp(pixels, { raw: { width, height, channels } });
}

const raw = (bytes: Buffer, channels: 3 | 4) => (channels === 3 ? sharp(bytes) : sharp(bytes).ensureAlpha()).raw().toBuffer();

async function become(bytes: Buffer, to: Partial<Encoding>, signal = never, from = spool) {
  const made = await transcode({ kind: "bytes", bytes }, { ...plain, ...to }, { spool: from, signal });
  return { ...made, bytes: await bytesOf(made.data) };
}

/** The greatest difference of any channel of any pixel. */
function difference(one: Buffer, other: Buffer): number {
  expect(one.length).to.equal(other.length);
  return one.reduce((most, value, at) => Math.max(most, Math.abs(value - other[at]!)), 0);
}

describe("transcode", () => {
  after(() => rm(folder, { recursive: true, force: true }));

  for (const channels of [3, 4] as const) {
    it(`is exact between png and a webp of 100, ${channels} channels`, async () => {
      const source = await picture(channels).png().toBuffer();
      const webp = await become(source, { format: "webp", quality: 100 });
      expect(webp).to.include({ mediaType: "image/webp", width: 32, height: 16, converted: true });
      const back = await become(webp.bytes, { format: "png" });
      expect(back.mediaType).to.equal("image/png");
      const [before, after] = [await raw(source, channels), await raw(back.bytes, channels)];
      // What is wholly transparent has no colour to be kept.
      expect(difference(before, after)).to.equal(0);
    });
  }

  for (const [format, tolerance] of [
    ["jpeg", 24],
    ["webp", 24],
    ["avif", 24],
  ] as const) {
    it(`is near in ${format}`, async () => {
      const source = await picture().png().toBuffer();
      const made = await become(source, { format, quality: 95 });
      expect(await sharp(made.bytes).metadata()).to.include({ width: 32, height: 16, mediaType: `image/${format}` });
      expect(difference(await raw(source, 3), await raw(made.bytes, 3))).to.be.lessThan(tolerance);
    });
  }

  it("makes smaller what is asked for at a lower quality", async () => {
    const source = await picture().resize(256, 256).jpeg({ quality: 100 }).toBuffer();
    for (const format of ["jpeg", "webp", "avif"] as const) {
      const [low, high] = [
        await become(source, { format, quality: 20, anew: true }),
        await become(source, { format, quality: 99, anew: true }),
      ];
      expect(low.bytes.length, format).to.be.lessThan(high.bytes.length);
    }
  });

  it("does not touch what is right already", async () => {
    for (const format of encodings) {
      const data = { kind: "bytes" as const, bytes: await picture().toFormat(format).toBuffer() };
      for (const wish of [{ format }, {}]) {
        const made = await transcode(data, { ...plain, ...wish }, { spool, signal: never });
        expect(made.data, format).to.equal(data);
        expect(made.converted).to.equal(false);
      }
    }
    const gif = { kind: "bytes" as const, bytes: await picture().gif().toBuffer() };
    expect((await transcode(gif, { ...plain, anew: true, metadata: "drop" }, { spool, signal: never })).data).to.equal(gif);
  });

  it("flattens what is transparent on the colour that is told, for jpeg only", async () => {
    const clear = { create: { width: 8, height: 8, channels: 4 as const, background: { r: 0, g: 0, b: 255, alpha: 0.5 } } };
    const source = await sharp(clear).png().toBuffer();
    const jpeg = await become(source, { format: "jpeg", background: "#ff0000", quality: 100 });
    expect(jpeg.lost.transparency).to.equal(true);
    const [red, green, blue] = await raw(jpeg.bytes, 3);
    expect([Math.abs(red! - 128) < 4, green! < 4, Math.abs(blue! - 128) < 4]).to.deep.equal([true, true, true]);
    expect((await become(source, { format: "webp" })).lost.transparency).to.equal(false);
  });

  it("does not call flat what had nothing to see through", async () => {
    const opaque = await picture().ensureAlpha().png().toBuffer();
    expect((await become(opaque, { format: "jpeg" })).lost.transparency).to.equal(false);
  });

  it("carries turn, notes and colour profile over", async () => {
    const source = await picture()
      .withMetadata({ orientation: 6 })
      .withExifMerge({ IFD0: { Copyright: "me" } })
      .withIccProfile("p3")
      .jpeg()
      .toBuffer();
    const icc = (await sharp(source).metadata()).icc;
    for (const format of ["png", "webp"] as const) {
      const { bytes } = await become(source, { format });
      const told = await sharp(bytes).metadata();
      expect(told, format).to.include({ width: 32, height: 16, orientation: 6 });
      expect(told.icc?.equals(icc!), format).to.equal(true);
      expect(told.exif?.includes("me"), format).to.equal(true);
    }
    // AVIF has no such turn: its pixels are turned.
    const avif = await sharp((await become(source, { format: "avif" })).bytes).metadata();
    expect([avif.width, avif.height, avif.icc?.equals(icc!)]).to.deep.equal([16, 32, true]);
  });

  it("adds none where there was none", async () => {
    const source = await picture().png().toBuffer();
    for (const format of ["webp", "avif"] as const) {
      const { exif, icc, xmp } = await sharp((await become(source, { format })).bytes).metadata();
      expect([exif, icc, xmp], format).to.deep.equal([undefined, undefined, undefined]);
    }
  });

  it("carries notes of every kind over", async () => {
    const xmp = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>';
    const noted = await picture().withXmp(xmp).jpeg().toBuffer();
    expect((await sharp((await become(noted, { format: "webp" })).bytes).metadata()).xmpAsString).to.contain("xmpmeta");
    const caption = Buffer.from("\x1c\x02\x78\x00\x02me", "latin1");
    const lengths = Buffer.alloc(6);
    lengths.writeUInt16BE(0, 0);
    lengths.writeUInt32BE(caption.length, 2);
    const body = Buffer.concat([Buffer.from("Photoshop 3.0\x008BIM\x04\x04", "latin1"), lengths, caption]);
    const segment = Buffer.concat([Buffer.from([0xff, 0xed, 0, body.length + 2]), body]);
    const plain = await picture().jpeg().toBuffer();
    const captioned = Buffer.concat([plain.subarray(0, 2), segment, plain.subarray(2)]);
    expect((await sharp(captioned).metadata()).iptc?.includes("me")).to.equal(true);
    const { bytes } = await become(captioned, { anew: true, quality: 50 });
    expect((await sharp(bytes).metadata()).iptc?.includes("me")).to.equal(true);
    expect((await sharp((await become(captioned, { metadata: "drop" })).bytes).metadata()).iptc).to.equal(undefined);
  });

  it("takes them out where it is told to, and turns the pixels", async () => {
    const source = await picture().withMetadata({ orientation: 6 }).withIccProfile("p3").jpeg().toBuffer();
    for (const wish of [{ format: "png" as const }, {}]) {
      const made = await become(source, { ...wish, metadata: "drop" });
      const told = await sharp(made.bytes).metadata();
      expect([told.exif, told.icc, told.orientation, told.width, told.height]).to.deep.equal([undefined, undefined, undefined, 16, 32]);
      expect([made.width, made.height]).to.deep.equal([16, 32]);
    }
  });

  it("leaves alone what has nothing to be taken out", async () => {
    const source = await picture().png().toBuffer();
    const made = await become(source, { metadata: "drop" });
    expect([made.converted, made.bytes.equals(source)]).to.deep.equal([false, true]);
  });

  it("takes a workflow out of a png's text", async () => {
    const png = solidPng(8, 8);
    const text = pngChunk("tEXt", Buffer.from("workflow\0{}", "latin1"));
    const source = Buffer.concat([png.subarray(0, 33), text, png.subarray(33)]);
    const made = await become(source, { metadata: "drop" });
    expect([made.converted, made.bytes.includes("workflow")]).to.deep.equal([true, false]);
  });

  it("tells that content credentials are lost, and only then", async () => {
    const png = solidPng(8, 8);
    const store = pngChunk(
      "caBX",
      Buffer.from("\0\0\0\x20jumb\0\0\0\x18jumdc2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9b\x71\x03c2pa\0", "latin1"),
    );
    const source = Buffer.concat([png.subarray(0, 33), store, png.subarray(33)]);
    expect((await become(source, { format: "jpeg" })).lost.credentials).to.equal(true);
    expect((await become(source, { metadata: "drop" })).lost.credentials).to.equal(true);
    expect((await become(source, { format: "png" })).lost.credentials).to.equal(undefined);
    expect((await become(png, { format: "jpeg" })).lost.credentials).to.equal(false);
  });

  it("gives a printer's picture a screen's colours, without its profile", async () => {
    const source = await picture().toColourspace("cmyk").withIccProfile("cmyk").jpeg().toBuffer();
    const told = await sharp((await become(source, { format: "png" })).bytes).metadata();
    expect([told.space, told.icc]).to.deep.equal(["srgb", undefined]);
  });

  it("keeps an animation in webp, and refuses it for the others", async () => {
    const frames = await Promise.all([picture().png().toBuffer(), picture().negate().png().toBuffer()]);
    const gif = await sharp(frames, { join: { animated: true } })
      .gif()
      .toBuffer();
    const webp = await become(gif, { format: "webp" });
    expect(webp).to.include({ width: 32, height: 16 });
    expect((await sharp(webp.bytes).metadata()).pages).to.equal(2);
    for (const format of ["png", "jpeg", "avif"] as const)
      expect((await failureOf(become(gif, { format }))).message).to.equal(
        `the picture that came back is animated and cannot become a ${format}`,
      );
  });

  it("refuses what is broken, in whichever format", async () => {
    for (const format of encodings) {
      const whole = await picture().resize(256, 256).toFormat(format).toBuffer();
      const failure = await failureOf(become(whole.subarray(0, whole.length / 2), { format: format === "png" ? "jpeg" : "png" }));
      expect(failure, format).to.be.instanceOf(ProviderFailure);
      expect(failure.message, format).to.contain("broken");
    }
  });

  it("hands a drawing on as it is, and never converts one", async () => {
    const svg = { kind: "bytes" as const, bytes: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"></svg>') };
    const kept = await transcode(svg, plain, { spool, signal: never });
    expect(kept).to.deep.equal({ data: svg, mediaType: "image/svg+xml", converted: false, lost: {} });
    for (const to of [{ format: "png" }, { metadata: "drop" }] as const)
      expect((await failureOf(transcode(svg, { ...plain, ...to }, { spool, signal: never }))).message).to.include(
        "an SVG, which is not converted",
      );
  });

  it("needs no memory for what the spool puts into files", async () => {
    const scope = createSpool({ folder, largest: 100 }).scope();
    try {
      const bytes = Buffer.concat([
        await picture()
          .withExif({ IFD0: { Copyright: "me" } })
          .png()
          .toBuffer(),
        Buffer.from("jumdc2pa"),
      ]);
      const stream = { kind: "stream" as const, head: bytes.subarray(0, 100), stream: Readable.from([bytes.subarray(100)]) };
      const made = await transcode(stream, { ...plain, format: "webp", quality: 100 }, { spool: scope, signal: never });
      expect([made.data.kind, made.lost.credentials]).to.deep.equal(["file", true]);
      expect(difference(await raw(bytes, 3), await raw(await bytesOf(made.data), 3))).to.equal(0);
      const back = await transcode(made.data, { ...plain, metadata: "drop" }, { spool: scope, signal: never });
      expect([back.data.kind, back.converted]).to.deep.equal(["file", true]);
    } finally {
      await scope.close();
    }
    expect(await readdir(folder)).to.deep.equal([]);
  });

  it("finds credentials across the pieces of a file", async () => {
    const scope = createSpool({ folder, largest: 100 }).scope();
    const png = await picture().png().toBuffer();
    const bytes = Buffer.concat([png, Buffer.alloc(256 * 1024 - png.length - 3), Buffer.from("jumdc2pa")]);
    const data = await scope.take(chunksOf({ kind: "bytes", bytes }), Infinity);
    expect((await transcode(data, { ...plain, format: "jpeg" }, { spool: scope, signal: never })).lost.credentials).to.equal(true);
    await scope.close();
  });

  it("refuses a bomb before it is decoded", async () => {
    const header = Buffer.alloc(13);
    header.writeUInt32BE(30_000, 0);
    header.writeUInt32BE(30_000, 4);
    header[8] = 1;
    const rows = deflateSync(Buffer.alloc(3751 * 30_000));
    const png = solidPng(8, 8);
    const bomb = Buffer.concat([png.subarray(0, 8), pngChunk("IHDR", header), pngChunk("IDAT", rows), pngChunk("IEND", Buffer.alloc(0))]);
    expect(bomb.length).to.be.lessThan(200_000);
    const failure = await failureOf(become(bomb, { format: "jpeg" }));
    expect(failure.message).to.equal("the picture that came back has more than the 100000000 pixels that can be converted");
  });

  it("ends with the signal's reason where the client hung up", async () => {
    const source = await picture().png().toBuffer();
    const client = new AbortController();
    const working = become(source, { format: "webp" }, client.signal);
    client.abort(new Error("hung up"));
    expect((await failureOf(working)).message).to.equal("hung up");
  });
});
