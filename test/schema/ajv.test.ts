import { expect } from "chai";
import { createAjv } from "../../src/schema/ajv.ts";
import type { SizeRule } from "../../src/schema/x-size.ts";
import { describeSizes } from "../../src/size/rules.ts";
import { stopwatch } from "../helpers/turns.ts";

const sizes = (rule: SizeRule) => createAjv().compile({ type: "string", "x-size": rule });

describe("patterns", () => {
  const compile = (pattern: string) => createAjv().compile({ type: "string", pattern });

  it("are each their own, even in one schema", () => {
    const check = createAjv().compile({
      type: "object",
      properties: { a: { type: "string", pattern: "^a$" }, b: { type: "string", pattern: "^b$" } },
    });
    expect(check({ a: "a", b: "b" })).to.equal(true);
    expect(check({ a: "a", b: "a" })).to.equal(false);
    expect(check({ a: "b", b: "b" })).to.equal(false);
  });

  it("are found anywhere in a text, as JSON Schema wants", () => {
    expect(compile("b\\d")("abc b1 x")).to.equal(true);
    expect(compile("\\u732b")("一只猫")).to.equal(true);
  });

  it("cannot blow up", () => {
    const took = stopwatch();
    expect(compile("^(a+)+$")(`${"a".repeat(50_000)}!`)).to.equal(false);
    expect(took()).to.be.below(2000);
  });

  it("that RE2 does not know are an error that says so", () => {
    expect(() => compile("(?=a)b")).to.throw(/^pattern "\(\?=a\)b" is not one that RE2 understands: /);
    expect(() => compile("(a)\\1")).to.throw(/RE2/);
  });
});

describe("the validator", () => {
  it("never coerces, and fills in defaults only when asked", () => {
    const schema = { type: "object", properties: { n: { type: "integer", default: 1 } } };
    expect(createAjv({ useDefaults: true }).compile(schema)({ n: "1" })).to.equal(false);
    const plain = {};
    createAjv().compile(schema)(plain);
    expect(plain).to.deep.equal({});
  });

  it("reports everything only when asked", () => {
    const schema = { type: "object", required: ["a", "b"] };
    for (const allErrors of [true, false]) {
      const check = createAjv({ allErrors }).compile(schema);
      check({});
      expect(check.errors).to.have.length(allErrors ? 2 : 1);
    }
  });

  it("is strict", () => expect(() => createAjv().compile({ type: "string", maxLenght: 4 })).to.throw('unknown keyword: "maxLenght"'));
});

describe("x-size", () => {
  const cases: [rule: SizeRule, sentence: string, size: string, reason: string | undefined][] = [
    [{ one_of: ["auto", "16:9(4K)"] }, "one of auto, 16:9(4K)", "1x1", undefined],
    [{ pixels: {} }, "WxH", "16:9", ""],
    [{ pixels: { multiple_of: 8 } }, "WxH with both sides multiples of 8", "1020x1024", "width 1020 is not a multiple of 8"],
    [{ pixels: { min_side: 64 } }, "WxH with each side of at least 64", "64x63", "height 63 is less than 64"],
    [{ pixels: { max_side: 64 } }, "WxH with each side of at most 64", "65x64", "width 65 is more than 64"],
    [{ pixels: { max_ratio: 2.5 } }, "WxH with a ratio of at most 2.5:1", "100x251", "its ratio is more than 2.5:1"],
    [{ pixels: { min_pixels: 100 } }, "WxH with an area of at least 100 pixels", "9x11", "99 pixels are less than 100"],
    [{ pixels: { max_pixels: 100 } }, "WxH with an area of at most 100 pixels", "101x1", "101 pixels are more than 100"],
    [{ one_of: ["2K"], pixels: { min_side: 1, max_side: 9 } }, "one of 2K, or WxH with each side from 1 to 9", "1X1", ""],
  ];
  for (const [rule, sentence, size, reason] of cases) {
    it(`says ${sentence}`, () => {
      expect(describeSizes(rule)).to.equal(sentence);
      const check = sizes(rule);
      expect(check(size)).to.equal(false);
      const [error] = check.errors!;
      expect(error).to.deep.include({ keyword: "x-size", instancePath: "", params: { allowed: sentence, reason } });
    });
  }

  it("takes what is listed, or what keeps every rule", () => {
    const check = sizes({ one_of: ["auto", "1920x1080"], pixels: { multiple_of: 16, max_ratio: 3 } });
    for (const size of ["auto", "1920x1080", "1536x512", "512x1536"]) expect(check(size), size).to.equal(true);
  });

  for (const rule of [
    {},
    { oneof: ["auto"] },
    { one_of: [] },
    { one_of: ["auto", "auto"] },
    { pixels: { min_side: "16" } },
    { pixels: { max_ratio: 0 } },
  ]) {
    it(`does not take ${JSON.stringify(rule)}`, () => expect(() => sizes(rule as SizeRule)).to.throw('keyword "x-size"'));
  }

  it("does not take a size that no client's could equal", () => {
    expect(() => sizes({ one_of: ["16:9(4k)"] })).to.throw('x-size: "16:9(4k)" is spelled 16:9(4K)');
    expect(() => sizes({ one_of: ["large"] })).to.throw('x-size: "large" is not a size');
  });
});
