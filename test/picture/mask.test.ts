import { deflateSync } from "node:zlib";
import { expect } from "chai";
import sharp, { type Sharp } from "sharp";
import { InputImage } from "../../src/picture/input.ts";
import { judgeImage } from "../../src/picture/judge.ts";
import { convertMask, shrink, unifyMask } from "../../src/picture/mask.ts";
import { passes } from "../../src/picture/png-lies.ts";
import { pngChunk } from "../../src/picture/png.ts";

/** Every transparency there is, once. */
const alphas = Buffer.from(Array.from({ length: 256 }, (_, at) => at));

function image(bytes: Buffer, type: "png" | "jpeg" | "webp" = "png", field = "mask"): InputImage {
  return new InputImage({ data: { kind: "bytes", bytes }, field, name: `given.${type}`, type: `image/${type}`, width: 16, height: 16 });
}

function withAlpha(): Sharp {
  const noise = Buffer.from(Array.from({ length: 256 * 3 }, (_, at) => (at * 37) % 256));
  return sharp(noise, { raw: { width: 16, height: 16, channels: 3 } }).joinChannel(alphas, { raw: { width: 16, height: 16, channels: 1 } });
}

const colourTypes = { grey: 0, rgb: 2, palette: 3, "grey+alpha": 4, rgba: 6 };

type Chunk = [type: string, data: number[]];

/** 256 pixels as PNG has them, by the name of the kind: the pixel's bytes, further chunks, and how opaque each is, if not as its place. */
const kinds: [kind: string, of: (at: number) => number[], more?: Chunk[], alphaOf?: (at: number) => number][] = [
  ["rgba 8", (at) => [9, 200, (at * 37) % 256, at]],
  ["rgba 16", (at) => [9, 1, 200, 2, (at * 37) % 256, 3, at, at]],
  ["grey+alpha 8", (at) => [(at * 37) % 256, at]],
  ["grey+alpha 16", (at) => [(at * 37) % 256, 3, at, at]],
  [
    "palette 8",
    (at) => [at],
    [
      ["PLTE", [...alphas].flatMap((at) => [255 - at, 9, at])],
      ["tRNS", [...alphas]],
    ],
  ],
  // One colour is the transparent one.
  ["grey 8", (at) => [at], [["tRNS", [0, 7]]], (at) => (at === 7 ? 0 : 255)],
  ["grey 16", (at) => [at, 3], [["tRNS", [7, 3]]], (at) => (at === 7 ? 0 : 255)],
  ["rgb 8", (at) => [at, 1, 2], [["tRNS", [0, 7, 0, 1, 0, 2]]], (at) => (at === 7 ? 0 : 255)],
  ["rgb 16", (at) => [at, 3, 0, 1, 0, 2], [["tRNS", [7, 3, 0, 1, 0, 2]]], (at) => (at === 7 ? 0 : 255)],
];

/** A PNG of 16x16 that no library has tidied up. */
function written(kind: string, of: (at: number) => number[], more: Chunk[], interlaced: boolean): Buffer {
  const [colours = "", bits] = kind.split(" ");
  const header = Buffer.alloc(13);
  header.writeUInt32BE(16, 0);
  header.writeUInt32BE(16, 4);
  header.set([Number(bits), colourTypes[colours as keyof typeof colourTypes], 0, 0, Number(interlaced)], 8);
  const rows: number[] = [];
  for (const [left, top, right, down] of interlaced ? passes : [[0, 0, 1, 1] as const])
    for (let y = top; y < 16; y += down) {
      rows.push(0);
      for (let x = left; x < 16; x += right) rows.push(...of(y * 16 + x));
    }
  return Buffer.concat([
    Buffer.from("89504e470d0a1a0a", "hex"),
    pngChunk("IHDR", header),
    ...more.map(([type, data]) => pngChunk(type, Buffer.from(data))),
    pngChunk("IDAT", deflateSync(Buffer.from(rows))),
    pngChunk("IEND", Buffer.alloc(0)),
  ]);
}

async function greys(mask: InputImage): Promise<number[]> {
  expect(mask.data.kind).to.equal("bytes");
  const bytes = (mask.data as { bytes: Buffer }).bytes;
  const { format, channels, width, height, depth, hasAlpha } = await sharp(bytes).metadata();
  expect({ format, channels, width, height, depth, hasAlpha }).to.deep.equal({
    format: "png",
    channels: 1,
    width: 16,
    height: 16,
    depth: "uchar",
    hasAlpha: false,
  });
  return [...(await sharp(bytes).toColourspace("b-w").raw().toBuffer())];
}

describe("a mask", () => {
  for (const [what, bytes] of [
    ["png", () => withAlpha().png().toBuffer()],
    ["lossless webp", () => withAlpha().webp({ lossless: true, exact: true }).toBuffer()],
  ] as const) {
    it(`of ${what} becomes white where it is transparent, pixel for pixel`, async () => {
      const white = await convertMask(image(await bytes()), "white");
      expect(await greys(white)).to.deep.equal([...alphas].map((alpha) => 255 - alpha));
      expect([white.name, white.type]).to.deep.equal(["given.png", "image/png"]);
    });

    it(`of ${what} becomes black where it is transparent, pixel for pixel`, async () => {
      expect(await greys(await convertMask(image(await bytes()), "black"))).to.deep.equal([...alphas]);
    });
  }

  for (const [what, of, more = [], alphaOf = (at: number) => at] of kinds)
    for (const interlaced of [false, true])
      it(`that is ${interlaced ? "interlaced, " : ""}${what} becomes white or black where it is transparent`, async () => {
        const bytes = written(what, of, more, interlaced);
        const mask = await judgeImage({ kind: "bytes", bytes }, { field: "mask", index: 0 }, { bytes: 10_000, pixels: 256 });
        // Of sixteen bits the lower ones are lost, rounded either way; all or nothing stays all or nothing.
        const near = what.endsWith("16") ? 1 : 0;
        for (const [polarity, turn] of [
          ["white", (alpha: number) => 255 - alpha],
          ["black", (alpha: number) => alpha],
        ] as const) {
          const seen = await greys(await convertMask(mask, polarity));
          const wrong = seen.flatMap((grey, at) => {
            const [alpha, wanted] = [alphaOf(at), turn(alphaOf(at))];
            return Math.abs(grey - wanted) <= (alpha % 255 === 0 ? 0 : near) ? [] : [{ polarity, alpha, grey }];
          });
          expect(wrong).to.deep.equal([]);
        }
        expect(await convertMask(mask, "alpha")).to.equal(mask);
      });

  it("without transparency, or damaged, is refused", async () => {
    const opaque = image(await withAlpha().removeAlpha().png().toBuffer());
    const damaged = image((await withAlpha().png().toBuffer()).subarray(0, 60));
    for (const [mask, message] of [
      [opaque, "mask has no transparency; make transparent what may change"],
      [damaged, "mask is damaged"],
    ] as const) {
      const error: unknown = await convertMask(mask, "black").catch((reason: unknown) => reason);
      expect(error).to.include({ code: "invalid_image_file", param: "mask", message });
    }
  });
});

describe("a mask of another API", () => {
  /** The transparency of each pixel; the colours must be black. */
  async function alphasOf(mask: InputImage): Promise<number[]> {
    const { data, info } = await sharp((mask.data as { bytes: Buffer }).bytes)
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect(info).to.include({ width: 16, height: 16, channels: 4 });
    expect(data.filter((value, at) => at % 4 < 3 && value !== 0)).to.have.length(0);
    return [...data.filter((_value, at) => at % 4 === 3)];
  }

  const greyOf = () => sharp(alphas, { raw: { width: 16, height: 16, channels: 1 } }).toColourspace("b-w");
  const coloured = () =>
    sharp(Buffer.from([...alphas].flatMap((grey) => [grey, grey, grey])), { raw: { width: 16, height: 16, channels: 3 } });
  /** How white each pixel is, or how opaque. */
  const painted = [...alphas];

  for (const [what, type, bytes] of [
    ["grey png", "png", () => greyOf().png().toBuffer()],
    ["rgb png", "png", () => coloured().png().toBuffer()],
    ["opaque rgba png", "png", () => coloured().ensureAlpha().png().toBuffer()],
    ["palette png", "png", () => coloured().png({ palette: true, colours: 256 }).toBuffer()],
    ["lossless webp", "webp", () => coloured().webp({ lossless: true }).toBuffer()],
    ["png that is transparent here and there", "png", () => withAlpha().png().toBuffer()],
  ] as const)
    it(`of ${what} becomes transparent where it is white or black, pixel for pixel`, async () => {
      const given = image(await bytes(), type);
      const white = await unifyMask(given, "white");
      expect(await alphasOf(white)).to.deep.equal(painted.map((grey) => 255 - grey));
      expect([white.name, white.type, white.field]).to.deep.equal(["given.png", "image/png", "mask"]);
      expect(await alphasOf(await unifyMask(given, "black"))).to.deep.equal(painted);
      // Back in the polarity from which it came it is the same again.
      expect(await greys(await convertMask(white, "white"))).to.deep.equal(painted);
    });

  it("stays as it is where transparency is its mark, and is refused where it is damaged", async () => {
    const given = image(await greyOf().png().toBuffer());
    expect(await unifyMask(given, "alpha")).to.equal(given);
    const whole = await withAlpha().png({ compressionLevel: 0 }).toBuffer();
    const error: unknown = await unifyMask(image(whole.subarray(0, whole.length - 300)), "white").catch((reason: unknown) => reason);
    expect(error).to.include({ code: "invalid_image_file", param: "mask", message: "mask is damaged" });
  });
});

describe("an image that is made smaller", () => {
  it("keeps its shape, format, profile and EXIF", async () => {
    const large = await sharp({ create: { width: 400, height: 200, channels: 3, background: "red" } })
      .withMetadata({ orientation: 6 })
      .withIccProfile("p3")
      .jpeg()
      .toBuffer();
    const smaller = await shrink(image(large, "jpeg", "image").with({ width: 400, height: 200 }), { side: 100, bytes: Infinity });
    const { width, height, format, orientation, icc } = await sharp((smaller.data as { bytes: Buffer }).bytes).metadata();
    expect({ width, height, format, orientation }).to.deep.equal({ width: 100, height: 50, format: "jpeg", orientation: 6 });
    expect(icc).to.not.equal(undefined);
    expect([smaller.width, smaller.height]).to.deep.equal([100, 50]);
  });

  it("gets as small as the bytes need", async () => {
    const noise = await sharp({
      create: { width: 300, height: 300, channels: 3, background: "red", noise: { type: "gaussian", mean: 128, sigma: 60 } },
    })
      .png()
      .toBuffer();
    const given = image(noise, "png", "image").with({ width: 300, height: 300 });
    const { data, width = 0 } = await shrink(given, { side: Infinity, bytes: 100_000 });
    expect((data as { bytes: Buffer }).bytes.length).to.be.lessThan(100_001);
    expect(width).to.be.lessThan(300);
  });
});
