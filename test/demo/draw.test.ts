import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect } from "chai";
import fc from "fast-check";
import sharp from "sharp";
import { type Drawing, draw } from "../../src/demo/draw.ts";

const cat: Drawing = { prompt: "a cat", width: 512, height: 384, format: "png", seed: 1 };

/** The indexes of the pixels at least so bright in every channel. Nothing but the lettering and the mark comes above 225. */
async function bright(picture: Buffer, least: number): Promise<number[]> {
  const { data, info } = await sharp(picture).raw().toBuffer({ resolveWithObject: true });
  return Array.from({ length: info.width * info.height }, (_, index) => index).filter((index) => {
    const start = index * info.channels;
    return Math.min(data[start]!, data[start + 1]!, data[start + 2]!) >= least;
  });
}

/** The pixels that letters cover wholly, so that what is behind does not matter. */
async function ink(drawing: Partial<Drawing>): Promise<number[]> {
  return bright(await draw({ ...cat, ...drawing }), 255);
}

async function pixel(picture: Buffer, left: number, top: number): Promise<number[]> {
  return [...(await sharp(picture).extract({ left, top, width: 1, height: 1 }).raw().toBuffer())];
}

describe("demo: draw", () => {
  for (const [width, height] of [
    [16, 16],
    [64, 64],
    [1000, 16],
    [16, 1000],
    [3840, 160],
    [160, 3840],
    [1024, 1024],
    [4096, 4096],
  ] as const) {
    for (const format of ["png", "jpeg", "webp"] as const) {
      it(`draws a ${format} of ${width}x${height}`, async () => {
        const { width: w, height: h, format: f, hasAlpha } = await sharp(await draw({ ...cat, width, height, format })).metadata();
        expect({ w, h, f, hasAlpha }).to.deep.equal({ w: width, h: height, f: format, hasAlpha: false });
      });
    }
  }

  it("draws the same for the same seed and prompt, and something else for another seed", async () => {
    const first = await draw(cat);
    expect(first.equals(await draw(cat))).to.equal(true);
    expect(first.equals(await draw({ ...cat, seed: 2 }))).to.equal(false);
  });

  const prompts: Record<string, string> = {
    nothing: "",
    blanks: " \n\t ",
    "control characters": "a\u0000b\u0007\u001b[1m\u0085",
    "lone surrogates": "\ud800 a \udc00",
    markup: "<b>&amp;</i> & <span size='9999999'>",
    "characters that are not seen": "\u200b\u200d\ufeff\u2060\ufe0f",
    noncharacters: "\ufffe\uffff\ufdd0\u{1ffff}\u{10ffff}",
    "one long word": "w".repeat(32_000),
    "32,000 characters": "word ".repeat(6400),
    "a surrogate pair where the text is cut": `${"a".repeat(3999)}\u{1f600}`,
    emoji: "👩‍👩‍👧‍👦🏳️‍🌈".repeat(200),
    Chinese: "雪地里的猫，水彩画".repeat(100),
    "right to left": "חתול בשלג \u202e قطة في الثلج",
    "a syllable without end": "\u1100".repeat(4000),
    "a thousand accents": `a${"\u0301".repeat(1000)}`,
  };
  for (const [name, prompt] of Object.entries(prompts)) {
    for (const [width, height] of [
      [64, 64],
      [3840, 160],
      [160, 1600],
      [640, 480],
    ] as const) {
      it(`letters ${name} within ${width}x${height}`, async () => {
        const margin = Math.min(width, height) * 0.05;
        const letters = await bright(await draw({ ...cat, prompt, width, height }), 235);
        expect(letters).to.not.be.empty;
        expect(letters.filter((index) => index % width < margin || index % width >= width - margin)).to.be.empty;
        expect(letters.filter((index) => index < width * margin || index >= width * (height - margin))).to.be.empty;
      });
    }
    it(`draws ${name} even on 16x16`, () => draw({ ...cat, prompt, width: 16, height: 16, watermark: true }));
  }

  it("letters any text at all", () => {
    const units = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 60 }).map((codes) => String.fromCharCode(...codes));
    const property = fc.asyncProperty(fc.oneof(units, fc.string({ unit: "binary" })), async (prompt) => {
      expect(await bright(await draw({ ...cat, prompt, width: 128, height: 96 }), 235)).to.not.be.empty;
    });
    return fc.assert(property, { numRuns: 60 });
  });

  it("letters the prompt itself, not the markup it may hold", async () => {
    expect(await ink({ prompt: "<b>x</b> &amp;" })).to.not.deep.equal(await ink({ prompt: "x &" }));
  });

  it("letters what is no character as a blank", async () => {
    expect(await ink({ prompt: "a\n\u0000\t\ud800b" })).to.deep.equal(await ink({ prompt: "a b" }));
  });

  it("letters the beginning of a prompt that is too long", async () => {
    const beginning = "word ".repeat(100);
    const shortened = await ink({ prompt: `${beginning}and so on` });
    expect(await ink({ prompt: `${beginning}to no end` })).to.deep.equal(shortened);
    expect(await ink({ prompt: `other ${beginning}` })).to.not.deep.equal(shortened);
  });

  it("letters a larger picture in larger letters", async () => {
    expect((await ink({ width: 1024, height: 768 })).length).to.be.above(2 * (await ink({})).length);
  });

  it("needs no system fonts", async () => {
    const code = `
      const { draw } = await import(process.argv[1]);
      const pictures = ["MMMMMM", "......"].map((prompt) => draw({ ...JSON.parse(process.argv[2]), prompt }));
      console.log((await Promise.all(pictures)).map((picture) => picture.toString("base64")).join(" "));`;
    const nowhere = { FONTCONFIG_FILE: "/nowhere/fonts.conf", FONTCONFIG_PATH: "/nowhere", HOME: "/nowhere", XDG_DATA_HOME: "/nowhere" };
    const module = new URL("../../src/demo/draw.js", import.meta.url).href;
    const args = ["--input-type=module", "-e", code, module, JSON.stringify(cat)];
    const { stdout } = await promisify(execFile)(process.execPath, args, { env: { ...process.env, ...nowhere }, maxBuffer: 2 ** 26 });
    const pictures = stdout
      .trim()
      .split(" ")
      .map((base64) => bright(Buffer.from(base64, "base64"), 255));
    const [wide, narrow] = await Promise.all(pictures);
    // Boxes in place of letters would take about the same ink for both.
    expect(narrow).to.not.be.empty;
    expect(wide!.length).to.be.above(2 * narrow!.length);
  });

  it("puts the mark into the bottom right corner when asked to", async () => {
    const corner = async (watermark: boolean): Promise<number[]> =>
      (await bright(await draw({ ...cat, watermark }), 220)).filter((index) => index % 512 > 440 && index / 512 > 310);
    expect((await corner(true)).length).to.be.above(100);
    expect(await corner(false)).to.be.empty;
  });

  for (const format of ["png", "webp"] as const) {
    it(`leaves the background of a ${format} transparent when asked to`, async () => {
      const picture = await draw({ ...cat, format, transparent: true });
      expect((await pixel(picture, 0, 0))[3]).to.equal(0);
      expect((await pixel(picture, 256, 100))[3]).to.equal(255);
    });
  }

  it("fills a jpeg, which cannot be transparent", async () => {
    const [transparent, filled] = await Promise.all([true, false].map((value) => draw({ ...cat, format: "jpeg", transparent: value })));
    expect(transparent!.equals(filled!)).to.equal(true);
  });

  for (const format of ["jpeg", "webp"] as const) {
    it(`makes a smaller ${format} of lower quality`, async () => {
      const [worst, better, usual] = await Promise.all([0, 50, undefined].map((quality) => draw({ ...cat, format, quality })));
      expect(worst!.length).to.be.below(better!.length);
      expect(better!.length).to.be.below(usual!.length);
    });
  }

  it("draws 3840x2160 within two seconds", async () => {
    const start = performance.now();
    await draw({ ...cat, width: 3840, height: 2160 });
    expect(performance.now() - start).to.be.below(2000);
  });
});
