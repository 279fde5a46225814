import { expect } from "chai";
import fc from "fast-check";
import { GatewayError } from "../../src/errors.ts";
import { fits, nearestSize, type Offer } from "../../src/size/fit.ts";
import { parseSize, pixelSize, ratioOf, readSize } from "../../src/size/parse.ts";
import { brokenRule, type SizeRules } from "../../src/size/rules.ts";

const side = fc.integer({ min: 1, max: 99_999 });
const canonical = fc.oneof(
  fc.tuple(side, side).map(([w, h]) => `${w}x${h}`),
  fc.tuple(fc.integer({ min: 1, max: 999 }), fc.integer({ min: 1, max: 999 })).map(([w, h]) => `${w}:${h}`),
  fc.constantFrom("1K", "2K", "4K", "1.5K", "99K"),
  fc.constantFrom("16:9(4K)", "1:1(2K)", "9:16(1.5K)"),
  fc.constant("auto"),
);
const sizeLike = fc.string({ unit: fc.constantFrom(...Array.from("0123456789xX×*:()（）kK .１６：ｘauto\t-,")) });

describe("a size", () => {
  it("is read from any text, or is none; its canonical spelling is read as itself", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), sizeLike, canonical), (text) => {
        const size = readSize(text);
        if (!size) return;
        expect(readSize(size.text)).to.deep.equal(size);
        expect(size.text).to.match(/^(auto|[1-9]\d*x[1-9]\d*|[\d.]+:[\d.]+(\(([\d.]+K|512)\))?|[\d.]+K|512)$/);
      }),
      { numRuns: 3000 },
    );
  });

  it("is the same however it is written", () => {
    const dress = (text: string) =>
      fc.constantFrom(
        text,
        text.toLowerCase(),
        ` ${Array.from(text).join(" ")}\t`,
        text.replace("x", "×"),
        text.replace("x", " * "),
        text.replace("(", "（").replace(")", "）"),
        text.replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
      );
    fc.assert(
      fc.property(
        canonical.filter((text) => readSize(text) !== undefined).chain((text) => fc.tuple(fc.constant(text), dress(text))),
        ([text, dressed]) => void expect(readSize(dressed)?.text).to.equal(text),
      ),
      { numRuns: 500 },
    );
  });

  for (const text of [
    "",
    "0x0",
    "01x1",
    "1024",
    "x",
    "1024x",
    "100000x1",
    "16:",
    "(2K)",
    "2K(16:9)",
    "16:9(2K",
    "16:0",
    "0K",
    "-1x1",
    "1e3x1e3",
    "auto1",
    "1x1x1",
  ]) {
    it(`is not ${JSON.stringify(text)}`, () => {
      expect(readSize(text)).to.equal(undefined);
      expect(() => parseSize(text))
        .to.throw(GatewayError, "is not a size")
        .with.property("param", "size");
    });
  }

  it("has its ratio in lowest terms", () => {
    expect(pixelSize(1920, 1080)).to.deep.equal({ text: "1920x1080", width: 1920, height: 1080, ratio: "16:9" });
    expect(ratioOf("16:9")).to.be.closeTo(1.7778, 0.001);
    expect(parseSize("2K")).to.deep.equal({ text: "2K", tier: "2K" });
  });

  it("has a tier below 1K, and ratios that are no whole numbers", () => {
    for (const text of ["512", "512px", "0.5K"]) expect(parseSize(text)).to.deep.equal({ text: "512", tier: "512" });
    expect(parseSize("16:9(0.5k)")).to.deep.equal({ text: "16:9(512)", ratio: "16:9", tier: "512" });
    expect(parseSize("9:19.5 (2k)")).to.deep.equal({ text: "9:19.5(2K)", ratio: "9:19.5", tier: "2K" });
    expect(ratioOf("19.5:9")).to.be.closeTo(2.1667, 0.001);
    for (const text of ["513", "0.5", "16:9(513)", "16:9()", "16:9(2K))", "9:19.55", "9:.5", "0.5:1"])
      expect(readSize(text)).to.equal(undefined);
  });
});

describe("size rules", () => {
  const rules: fc.Arbitrary<Offer> = fc.record(
    {
      sizes: fc.array(
        fc.tuple(fc.integer({ min: 1, max: 4000 }), fc.integer({ min: 1, max: 4000 })).map(([w, h]) => `${w}x${h}`),
        { minLength: 1, maxLength: 5 },
      ),
      multiple_of: fc.constantFrom(1, 8, 16, 32, 64),
      min_side: fc.integer({ min: 1, max: 1024 }),
      max_side: fc.integer({ min: 256, max: 4096 }),
      max_ratio: fc.double({ min: 1, max: 5, noNaN: true }),
      min_pixels: fc.integer({ min: 1, max: 1_000_000 }),
      max_pixels: fc.integer({ min: 100_000, max: 9_000_000 }),
    },
    { requiredKeys: [] },
  );

  it("are kept by the nearest size, whatever was asked for", () => {
    fc.assert(
      fc.property(rules, canonical, (rule, text) => {
        const nearest = nearestSize(readSize(text)!, rule);
        if (nearest) expect(fits(nearest, rule)).to.equal(true);
      }),
      { numRuns: 3000 },
    );
  });

  it("leave a size that fits as it is", () => {
    fc.assert(
      fc.property(rules, side, side, (rule, width, height) => {
        const size = pixelSize(width, height);
        if (fits(size, rule)) expect(nearestSize(size, rule)?.text).to.equal(size.text);
      }),
      { numRuns: 3000 },
    );
  });

  it("find a size by its ratio first, then by its area", () => {
    const sizes = ["512x512", "1024x1024", "1024x512"];
    expect(nearestSize(pixelSize(900, 900), { sizes })?.text).to.equal("1024x1024");
    expect(nearestSize(pixelSize(600, 600), { sizes })?.text).to.equal("512x512");
    expect(nearestSize(readSize("2:1")!, { sizes })?.text).to.equal("1024x512");
    expect(nearestSize(readSize("2:1")!, { sizes, max_side: 512 })?.text).to.equal("512x512");
    expect(nearestSize(readSize("auto")!, { sizes })?.text).to.equal("512x512");
  });

  const sentences: [SizeRules, string, string | undefined][] = [
    [{ multiple_of: 8 }, "9x8", "width 9 is not a multiple of 8"],
    [{ min_side: 8 }, "9x7", "height 7 is less than 8"],
    [{ max_side: 8 }, "9x7", "width 9 is more than 8"],
    [{ max_ratio: 2 }, "30x10", "its ratio is more than 2:1"],
    [{ min_pixels: 100 }, "9x9", "81 pixels are less than 100"],
    [{ max_pixels: 50 }, "9x9", "81 pixels are more than 50"],
    [{}, "9x9", undefined],
    [{ max_side: 8 }, "16:9", undefined],
  ];
  for (const [rule, text, sentence] of sentences)
    it(`say of ${text} under ${JSON.stringify(rule)}: ${sentence ?? "nothing"}`, () =>
      expect(brokenRule(readSize(text)!, rule)).to.equal(sentence));
});
