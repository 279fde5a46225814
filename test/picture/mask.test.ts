import { expect } from "chai";
import sharp, { type Sharp } from "sharp";
import { InputImage } from "../../src/picture/input.ts";
import { convertMask, shrink } from "../../src/picture/mask.ts";

/** Every transparency there is, once. */
const alphas = Buffer.from(Array.from({ length: 256 }, (_, at) => at));

function image(bytes: Buffer, type: "png" | "jpeg" | "webp" = "png", field = "mask"): InputImage {
  return new InputImage({ data: { kind: "bytes", bytes }, field, name: `given.${type}`, type: `image/${type}`, width: 16, height: 16 });
}

function withAlpha(): Sharp {
  const noise = Buffer.from(Array.from({ length: 256 * 3 }, (_, at) => (at * 37) % 256));
  return sharp(noise, { raw: { width: 16, height: 16, channels: 3 } }).joinChannel(alphas, { raw: { width: 16, height: 16, channels: 1 } });
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
    ["interlaced png", () => withAlpha().png({ progressive: true }).toBuffer()],
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

  it("stays as it is where transparency is wanted", async () => {
    const mask = image(await withAlpha().png().toBuffer());
    expect(await convertMask(mask, "alpha")).to.equal(mask);
  });

  it("of a palette with transparent colours is understood", async () => {
    const two = sharp(Buffer.from(Array.from({ length: 256 }, (_, at) => [9, 9, 9, at % 2 ? 255 : 0]).flat()), {
      raw: { width: 16, height: 16, channels: 4 },
    });
    const mask = image(await two.png({ palette: true }).toBuffer());
    expect(await greys(await convertMask(mask, "white"))).to.deep.equal(Array.from({ length: 256 }, (_, at) => (at % 2 ? 0 : 255)));
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
