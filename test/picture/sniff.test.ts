import { expect } from "chai";
import fc from "fast-check";
import { imageSize } from "image-size";
import sharp, { type Sharp } from "sharp";
import { formatName, sniff, sniffBytes, sniffInput } from "../../src/picture/sniff.ts";

/** Noise, so that the encoders cannot shrink it to nothing. */
async function draw(width: number, height: number): Promise<Sharp> {
  const noise = { type: "gaussian" as const, mean: 128, sigma: 40 };
  const pixels = await sharp({ create: { width, height, channels: 3, background: "red", noise } })
    .png()
    .toBuffer();
  return sharp(pixels);
}

async function jpegOf(width: number, height: number): Promise<Buffer> {
  return (await draw(width, height)).jpeg().toBuffer();
}

/** A JPEG with something between its start marker and its first segment. */
async function jpegWith(inserted: Buffer): Promise<Buffer> {
  const jpeg = await jpegOf(41, 23);
  return Buffer.concat([jpeg.subarray(0, 2), inserted, jpeg.subarray(2)]);
}

function segment(marker: number, length: number): Buffer {
  const bytes = Buffer.alloc(2 + length);
  bytes.writeUInt16BE(0xff00 | marker, 0);
  bytes.writeUInt16BE(length, 2);
  return bytes;
}

const samples: Record<string, () => Promise<Buffer>> = {
  png: async () => (await draw(37, 21)).png().toBuffer(),
  jpeg: async () => jpegOf(37, 21),
  "progressive jpeg": async () => (await draw(37, 21)).jpeg({ progressive: true }).toBuffer(),
  "jpeg with metadata": async () => (await draw(37, 21)).withMetadata({ orientation: 1 }).jpeg().toBuffer(),
  "lossy webp": async () => (await draw(37, 21)).webp().toBuffer(),
  "lossless webp": async () => (await draw(37, 21)).webp({ lossless: true }).toBuffer(),
  "extended webp": async () => (await draw(37, 21)).ensureAlpha(0.5).webp().toBuffer(),
  gif: async () => (await draw(37, 21)).gif().toBuffer(),
  avif: async () => (await draw(37, 21)).avif({ effort: 0 }).toBuffer(),
  "avif with alpha": async () => (await draw(37, 21)).ensureAlpha(0.5).avif({ effort: 0 }).toBuffer(),
};

describe("sniffInput", () => {
  for (const [order, bytes] of [
    ["little", "49492a000800000002000001030001000000290000000101040001000000170000000000"],
    ["big", "4d4d002a0000000800020100000300000001002900000101000400000001000000170000"],
  ] as const) {
    it(`knows a TIFF of ${order} endian, and its size where its directory has arrived`, () => {
      const head = Buffer.from(bytes, "hex");
      expect(sniffInput(head)).to.deep.equal({ mediaType: "image/tiff", width: 41, height: 23 });
      for (let length = 4; length < 34; length += 1)
        expect(sniffInput(head.subarray(0, length))).to.deep.equal({ mediaType: "image/tiff" });
      expect(sniff(head)).to.equal(undefined);
    });
  }

  it("tells a HEIC from an AVIF by its brands", async () => {
    const avif = await samples.avif!();
    expect(sniffInput(avif)).to.deep.equal({ mediaType: "image/avif", width: 37, height: 21 });
    const heic = Buffer.from(avif.toString("latin1").replaceAll(/avi[fs]/g, "heic"), "latin1");
    expect(sniffInput(heic)).to.deep.equal({ mediaType: "image/heic", width: 37, height: 21 });
    expect(sniff(heic)).to.equal(undefined);
  });

  it("never throws, whatever stands behind the beginning of a TIFF", () => {
    const bytes = fc.tuple(fc.constantFrom("II*\0", "MM\0*"), fc.uint8Array({ maxLength: 64 }));
    fc.assert(fc.property(bytes, ([start, rest]) => sniffInput(Buffer.concat([Buffer.from(start), rest]))?.mediaType === "image/tiff"));
  });
});

describe("sniff", () => {
  for (const [name, make] of Object.entries(samples)) {
    it(`agrees with two other readers on a ${name}, whole and cut`, async () => {
      const bytes = await make();
      const { format, width, height } = await sharp(bytes).metadata();
      expect(sniff(bytes)).to.deep.equal({ mediaType: `image/${format === "heif" ? "avif" : format}`, width, height });
      expect(sniff(bytes)).to.include({ width: imageSize(bytes).width, height: imageSize(bytes).height });

      const whole = sniff(bytes)!;
      for (let length = 0; length < Math.min(bytes.length, 1000); length += 1) {
        const cut = sniff(bytes.subarray(0, length));
        if (cut === undefined) expect(length).to.be.below(32);
        else expect(cut, `first ${length} bytes`).to.deep.equal(cut.width === undefined ? { mediaType: whole.mediaType } : whole);
      }
    });
  }

  it("reads both versions of gif", () => {
    expect(sniff(Buffer.from("GIF87a\x10\x00\x08\x00", "latin1"))).to.deep.equal({ mediaType: "image/gif", width: 16, height: 8 });
    expect(sniff(Buffer.from("GIF88a\x10\x00\x08\x00", "latin1"))).to.equal(undefined);
  });

  it("finds a jpeg's size behind fill bytes and long segments", async () => {
    const size = { mediaType: "image/jpeg", width: 41, height: 23 };
    expect(sniff(await jpegWith(Buffer.alloc(3000, 0xff)))).to.deep.equal(size);
    expect(sniff(await jpegWith(segment(0xe1, 60_000)))).to.deep.equal(size);
  });

  it("leaves out a size that it cannot know", async () => {
    const behind = await jpegWith(Buffer.concat([segment(0xe1, 60_000), segment(0xe2, 60_000)]));
    const withoutSize = {
      "a frame header behind the head": behind.subarray(0, sniffBytes),
      "a jpeg whose scan comes first": await jpegWith(segment(0xda, 8)),
      "a jpeg with a zero height": Buffer.from("ffd8ffc0001108000000290301220002110103110100", "hex"),
      "a png without its header chunk": Buffer.concat([(await samples.png!()).subarray(0, 8), Buffer.alloc(40)]),
      "a webp with a chunk of another kind": Buffer.from(`RIFF\x20\x00\x00\x00WEBPALPH${"\x00".repeat(40)}`, "latin1"),
      "an avif whose extent has another length": Buffer.from(
        `\x00\x00\x00\x10ftypavif\x00\x00\x00\x00\x00\x00\x00\x15ispe${"\x01".repeat(13)}`,
        "latin1",
      ),
    };
    for (const [name, head] of Object.entries(withoutSize)) expect(Object.keys(sniff(head)!), name).to.deep.equal(["mediaType"]);
  });

  it("takes the larger of two extents, in either order", () => {
    const extent = (side: number) =>
      Buffer.from(
        `\x00\x00\x00\x14ispe\x00\x00\x00\x00\x00\x00\x00${String.fromCharCode(side).padEnd(4, "\x00")}${String.fromCharCode(side)}`,
        "latin1",
      );
    const type = Buffer.from("\x00\x00\x00\x14ftypmif1\x00\x00\x00\x00avis", "latin1");
    for (const sides of [
      [8, 64],
      [64, 8],
    ]) {
      expect(sniff(Buffer.concat([type, ...sides.map(extent)]))).to.deep.equal({ mediaType: "image/avif", width: 64, height: 64 });
    }
  });

  it("knows a drawing by its root element, and gives it no size in pixels", () => {
    const drawing = "<svg xmlns='http://www.w3.org/2000/svg' width='8' height='8'></svg>";
    for (const before of [
      "",
      "\xef\xbb\xbf \n",
      "<?xml version='1.0' encoding='UTF-8'?>\n",
      "<?xml version='1.0'?><!-- a -- b --> <!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'x'>\n<!---->",
      "<!DOCTYPE svg [ <!ENTITY a 'b'> ]>",
    ]) {
      const head = Buffer.from(before + drawing, "latin1");
      expect(sniff(head), before).to.deep.equal({ mediaType: "image/svg+xml" });
      expect(sniffInput(head), before).to.equal(undefined);
    }
    expect(["image/svg+xml", "image/png"].map(formatName)).to.deep.equal(["svg", "png"]);
  });

  it("gives up in time on what begins like a drawing", () => {
    for (const text of ["<!--".repeat(16_000), "<!-- -->".repeat(8_000), "<?xml".repeat(13_000), "<!DOCTYPE svg ".repeat(4_000)]) {
      const began = performance.now();
      expect(sniff(Buffer.from(text))).to.equal(undefined);
      expect(performance.now() - began).to.be.below(200);
    }
  });

  it("knows nothing else", () => {
    const others = [
      "",
      "<!doctype html>",
      "BM6\x00\x00\x00",
      "II*\x00",
      "%PDF-1.7",
      "<html><svg></svg></html>",
      "<!-- an SVG is none of this <svg>",
      "<?xml version='1.0'?><rss/>",
      "<svgx/>",
      "RIFF\x00\x00\x00\x00WAVE",
      "{}",
    ];
    for (const text of others) expect(sniff(Buffer.from(text, "latin1")), text).to.equal(undefined);
    expect(sniff(Buffer.from("\x00\x00\x00\x14ftypheic\x00\x00\x00\x00mif1avif", "latin1")), "a brand behind the box").to.equal(undefined);
  });

  it("survives any bytes behind any magic number", () => {
    const magics = [
      "",
      "\x89PNG\r\n\x1a\n",
      "\xff\xd8\xff",
      "RIFF\x00\x00\x00\x00WEBP",
      "RIFF\x00\x00\x00\x00WEBPVP8X",
      "GIF89a",
      "\x00\x00\xff\xffftypavif\x00\x00\x00\x14ispe",
    ];
    const bytes = fc.tuple(fc.constantFrom(...magics), fc.uint8Array({ maxLength: 400 }));
    fc.assert(
      fc.property(bytes, ([magic, tail]) => {
        const found = sniff(Buffer.concat([Buffer.from(magic, "latin1"), tail]));
        expect(found?.width === undefined).to.equal(found?.height === undefined);
        if (magic !== "") expect(found).to.not.equal(undefined);
      }),
      { numRuns: 2000 },
    );
  });
});
