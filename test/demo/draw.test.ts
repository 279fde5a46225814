// The demo's pictures.
import { expect } from "chai";
import sharp from "sharp";
import { draw, type Drawing } from "../../src/demo/draw.ts";

const cat: Drawing = { prompt: "a cat", width: 256, height: 192, format: "png", seed: 1 };

/** How many pixels in a part of a picture are white, as only letters and the mark are. */
async function white(drawing: Partial<Drawing>, { left = 0, top = 0 } = {}): Promise<number> {
  const part = { left, top, width: cat.width - left, height: cat.height - top };
  const { data, info } = await sharp(await draw({ ...cat, ...drawing }))
    .extract(part)
    .raw()
    .toBuffer({ resolveWithObject: true });
  const pixels = Array.from({ length: info.width * info.height }, (_, index) =>
    data.subarray(index * info.channels, index * info.channels + 3),
  );
  return pixels.filter((pixel) => pixel.every((value) => value > 225)).length;
}

const prompts: Record<string, string> = {
  nothing: "",
  "control characters": "a\u0000b\u0007\u001b[1m\u0085",
  "lone surrogates": "\ud800 a \udc00",
  markup: "<b>&amp;</i> & <span size='9999999'>",
  "what is not seen": "\u200b\u200d\ufeff\ufe0f\ufffe\uffff\u{10ffff}",
  "one long word": "w".repeat(32_000),
  emoji: "👩‍👩‍👧‍👦🏳️‍🌈".repeat(200),
  Chinese: "雪地里的猫，水彩画".repeat(100),
  "a syllable without end": "\u1100".repeat(4000),
  "a thousand accents": `a${"\u0301".repeat(1000)}`,
};

describe("demo: draw", () => {
  it("draws each format in every size, from 16 to 4096 pixels", async () => {
    const sizes = [16, 160, 4096].flatMap((width) => [16, 4096].map((height) => ({ width, height })));
    for (const format of ["png", "jpeg", "webp"] as const)
      for (const { width, height } of sizes) {
        const picture = await sharp(await draw({ ...cat, width, height, format, watermark: true })).metadata();
        expect(picture).to.include({ width, height, format, hasAlpha: false });
      }
  });

  it("letters any text at all", async () => {
    for (const [name, prompt] of Object.entries(prompts)) {
      expect(await white({ prompt }), name).to.be.above(0);
      await draw({ ...cat, prompt, width: 16, height: 1000 });
    }
  });

  it("draws the same for the same seed and prompt, and something else for another of either", async () => {
    const first = await draw(cat);
    expect(first.equals(await draw(cat))).to.equal(true);
    for (const other of [{ seed: 2 }, { prompt: "a dog" }]) expect(first.equals(await draw({ ...cat, ...other }))).to.equal(false);
  });

  it("leaves the sky out and puts a mark in where that is asked for, and makes a smaller file of a lower quality", async () => {
    const { channels } = await sharp(await draw({ ...cat, transparent: true })).stats();
    expect(channels[3]?.min).to.equal(0);
    const corner = { left: 230, top: 160 };
    expect(await white({}, corner)).to.equal(0);
    expect(await white({ watermark: true }, corner)).to.be.above(10);
    const [low, usual] = await Promise.all([10, undefined].map((quality) => draw({ ...cat, format: "jpeg", quality })));
    expect(low?.length).to.be.below(usual?.length ?? 0);
  });
});
