import { expect } from "chai";
import { createAjv } from "../../src/schema/ajv.ts";
import { refusal } from "../../src/schema/refuse.ts";
import { refused, shippedModel } from "./shipped.ts";

/** What a client sends, and what it is told: code, param, message. */
const rows: [fields: object, code: string, param: string, message: string | RegExp][] = [
  [{ prompt: undefined }, "missing_required_parameter", "prompt", "missing required parameter: prompt"],
  [{ prompt: "" }, "empty_string", "prompt", "prompt must not be empty"],
  [{ prompt: ["a"] }, "invalid_type", "prompt", "prompt must be a string, not an array"],
  [{ n: "2" }, "invalid_type", "n", 'n must be an integer, not "2"'],
  [{ n: 1.5 }, "invalid_type", "n", "n must be an integer, not 1.5"],
  [{ n: null }, "invalid_type", "n", "n must be an integer, not null"],
  [{ n: 0 }, "integer_below_min_value", "n", "n must be at least 1, not 0"],
  [{ watermark: {} }, "invalid_type", "watermark", "watermark must be a boolean, not an object"],
  [{ response_format: "png" }, "invalid_value", "response_format", 'response_format must be one of url, b64_json, base64, not "png"'],
  [{ image: [{}, 5] }, "invalid_type", "image[1]", "image[1] must be a string or an object, not 5"],
  [{ images: "a" }, "invalid_type", "images", 'images must be an array, not "a"'],
  [{ images: Array(17).fill("a") }, "invalid_value", "images", "images must not have more than 16 items"],
  [{ quallity: "high" }, "unknown_parameter", "quallity", "unknown parameter: quallity (did you mean quality?)"],
  [{ Size: "1K" }, "unknown_parameter", "Size", /did you mean size\?/],
  [{ wobble: 1 }, "unknown_parameter", "wobble", /^unknown parameter: wobble \(known: .*prompt.*metadata.*\)$/],
  [
    { size: "1000x1000" },
    "invalid_value",
    "size",
    "size must be one of auto, 1:1, 4:3, 3:2, 2:3, 16:9, 9:16, or WxH with both sides multiples of 16, each side of at most 3840, a ratio of at most 3:1, " +
      "an area from 655360 to 8294400 pixels; 1000x1000 is not: width 1000 is not a multiple of 16",
  ],
  [{ size: "1024x1000" }, "invalid_value", "size", /: height 1000 is not a multiple of 16$/],
  [{ size: "2K" }, "invalid_value", "size", /; 2K is not$/],
];

describe("a refusal", () => {
  for (const [fields, code, param, message] of rows) {
    it(`of ${JSON.stringify(fields).slice(0, 60)} is ${code}`, () => {
      const error = refused("gpt-image-2", fields);
      expect(error).to.include({ code, param, status: 400 });
      if (typeof message === "string") expect(error.message).to.equal(message);
      else expect(error.message).to.match(message);
    });
  }

  it("repeats no more than 40 characters of what the client sent", () => {
    const long = "z".repeat(5000);
    for (const fields of [{ size: long }, { quality: long }, { prompt: long.repeat(7) }, { [long]: 1 }, { style: 5, user: [long] }]) {
      const error = refused("gpt-image-2", fields);
      expect(error.message).not.to.include("z".repeat(40));
      expect(error.param?.length).to.be.at.most(40);
    }
  });
});

const text = { type: "string" };
const nested = {
  type: "object",
  properties: {
    url: { ...text, pattern: "^https:" },
    home: { ...text, format: "uri" },
    code: { ...text, minLength: 3 },
    level: { type: "number", exclusiveMinimum: 0, exclusiveMaximum: 1 },
    step: { type: "integer", multipleOf: 8 },
    kind: { const: "cat" },
    none: { type: ["null", "array"] },
    empty: { type: "object", additionalProperties: false },
    box: { type: "object", additionalProperties: false, properties: { width: {}, height: {} } },
    "a/b": { type: "object", properties: { "c~d": text } },
    mask: text,
    shape: { oneOf: [{ const: 1 }, { enum: [2, "three"] }] },
    either: { anyOf: [text, { type: "object", required: ["url"] }, { type: "array", items: text }] },
    both: { oneOf: [text, { type: ["string", "number"] }] },
    list: { type: "array", contains: text },
    cond: { type: ["string", "object"], if: { type: "string" }, then: { enum: ["a"] } },
    small: { type: "object", minProperties: 1, maxProperties: 1 },
    pair: { type: "array", minItems: 2 },
  },
  dependentRequired: { mask: ["url"] },
};

describe("refusal()", () => {
  const check = createAjv().compile(nested);
  const rows: [data: unknown, code: string, param: string | null, message: string][] = [
    [[], "invalid_type", null, "the request must be an object, not an array"],
    [{ url: "http:" }, "invalid_value", "url", "url must match the pattern ^https:"],
    [{ home: "x" }, "invalid_value", "home", 'home must match format "uri"'],
    [{ code: "ab" }, "invalid_value", "code", "code must be at least 3 characters long, not 2"],
    [{ level: 0 }, "integer_below_min_value", "level", "level must be more than 0, not 0"],
    [{ level: 1 }, "integer_above_max_value", "level", "level must be less than 1, not 1"],
    [{ step: 9 }, "invalid_value", "step", "step must be multiple of 8"],
    [{ kind: "dog" }, "invalid_value", "kind", 'kind must be cat, not "dog"'],
    [{ none: true }, "invalid_type", "none", "none must be null or an array, not true"],
    [{ empty: { a: 1 } }, "unknown_parameter", "empty.a", "unknown parameter: empty.a (nothing is known here)"],
    [{ box: { widt: 1 } }, "unknown_parameter", "box.widt", "unknown parameter: box.widt (did you mean width?)"],
    [{ "a/b": { "c~d": 1 } }, "invalid_type", "a/b.c~d", "a/b.c~d must be a string, not 1"],
    [{ mask: "m" }, "missing_required_parameter", "url", "missing required parameter: url"],
    [{ shape: 4 }, "invalid_value", "shape", "shape must be one of 1, 2, three, not 4"],
    [{ either: {} }, "missing_required_parameter", "either.url", "missing required parameter: either.url"],
    [{ either: ["a", 1] }, "invalid_type", "either[1]", "either[1] must be a string, not 1"],
    [{ either: 1 }, "invalid_type", "either", "either must be a string or an object or an array, not 1"],
    [{ both: "a" }, "invalid_value", "both", "both must match exactly one schema in oneOf"],
    [{ cond: "b" }, "invalid_value", "cond", 'cond must be a, not "b"'],
    [{ small: {} }, "invalid_value", "small", "small must not have fewer than 1 properties"],
    [{ small: { a: 1, b: 2 } }, "invalid_value", "small", "small must not have more than 1 properties"],
    [{ pair: [1] }, "invalid_value", "pair", "pair must not have fewer than 2 items"],
  ];
  for (const [data, code, param, message] of rows) {
    it(`of ${JSON.stringify(data)} is ${code}`, () => {
      expect(check(data)).to.equal(false);
      const error = refusal(check.errors!, data);
      expect(error).to.include({ code, param, message });
    });
  }

  it("counts nested keys by their own schema, not by the request's", () => {
    const { validate } = shippedModel("seedream-4.0");
    const request = { model: "m", prompt: "p", optimize_prompt_options: { promt: "standard" } };
    expect(() => validate(request)).to.throw("unknown parameter: optimize_prompt_options.promt (known: mode)");
  });
});
