import { expect } from "chai";
import fc from "fast-check";
import { readFile } from "node:fs/promises";
import { GatewayError } from "../../src/errors.ts";
import { createAjv } from "../../src/schema/ajv.ts";
import { type ModelSchema, SchemaError, createModelCompiler } from "../../src/schema/models.ts";
import { refusalOf, shippedModel, shippedSchema } from "./shipped.ts";

const common = shippedSchema("common");
const base = { type: "object", allOf: [{ $ref: "common.json" }] };
const compile = (schema: ModelSchema) => createModelCompiler(common)("m", schema);

function problem(schema: ModelSchema): SchemaError {
  try {
    compile(schema);
  } catch (error) {
    expect(error).to.be.instanceOf(SchemaError);
    return error as SchemaError;
  }
  throw new Error("it was compiled");
}

describe("compiling a model", () => {
  it("lets the model's own default win over the common one, and fills in nested ones", () => {
    const options = { type: "object", properties: { mode: { type: "string", default: "fast" } } };
    const request = { options: {} };
    compile({ ...base, properties: { n: { type: "integer", default: 4 }, options } }).validate(request);
    expect(request).to.deep.equal({ n: 4, options: { mode: "fast" } });
  });

  it("knows whether other fields are allowed", () => {
    expect(compile(base).open).to.equal(true);
    expect(compile({ ...base, unevaluatedProperties: false }).open).to.equal(false);
    expect(compile({ type: "object", additionalProperties: false }).open).to.equal(false);
    const request = { anything: { at: ["all"] } };
    compile(base).validate(request);
    expect(request).to.deep.equal({ anything: { at: ["all"] }, n: 1 });
  });

  it("takes every field of its own and the common ones where the if at its top does not hold", () => {
    const hd = { properties: { quality: { const: "hd" } }, required: ["quality"] };
    const then = { properties: { n: { type: "integer", maximum: 1 } } };
    const { validate } = compile({ ...base, properties: { style: { type: "string" } }, if: hd, then, unevaluatedProperties: false });
    for (const request of [{ prompt: "a cat" }, { prompt: "a cat", style: "oil", n: 2, quality: "low" }, { quality: "hd", n: 1 }])
      validate(request);
    expect(refusalOf(() => validate({ quality: "hd", n: 2 })).message).to.equal("n must be at most 1, not 2");
    expect(refusalOf(() => validate({ prompt: "a cat", shape: "round" })).code).to.equal("unknown_parameter");
    const other = compile({ ...base, if: hd, then, else: { required: ["size"] }, unevaluatedProperties: false });
    expect(refusalOf(() => other.validate({ prompt: "a cat" })).param).to.equal("size");
  });

  it("takes the common type of a property that says none of its own, as the model in the documentation does", async () => {
    const page = await readFile("docs/write-a-model.md", "utf8");
    const [, example = ""] = /```json\n(\{\n {2}"\$id"[^]*?)```/.exec(page) ?? [];
    const { validate } = compile(JSON.parse(example) as ModelSchema);
    const request = { model: "acme-1", prompt: "a cat" };
    validate(request);
    expect(request).to.deep.equal({ model: "acme-1", prompt: "a cat", n: 1, size: "1024x1024" });
    expect(refusalOf(() => validate({ ...request, n: 5 })).message).to.equal("n must be at most 4, not 5");
    expect(refusalOf(() => validate({ ...request, n: "2" })).code).to.equal("invalid_type");
  });

  it("finds the fields of a direct reference too", () => {
    const { properties } = compile({ type: "object", $ref: "common.json", properties: { extra: { type: "string" } } });
    expect(properties).to.include.members(["prompt", "extra"]);
  });

  it("may take the same schema for several models, and different ones of one name", () => {
    const compiler = createModelCompiler(common);
    const schema = { ...base, $id: "same.json" };
    expect(compiler("a", schema).id).to.equal("a");
    expect(compiler("b", schema).id).to.equal("b");
    const narrow = compiler("c", { ...schema, properties: { n: { type: "integer", maximum: 2 } } });
    expect(refusalOf(() => narrow.validate({ n: 3 })).message).to.equal("n must be at most 2, not 3");
  });

  const broken: [what: string, schema: ModelSchema, pointer: string | undefined, message: RegExp][] = [
    [
      "a mistake in the then at its top",
      { ...base, if: { required: ["a"] }, then: { properties: { a: { maxLength: 3 } } } },
      "/then/properties/a",
      /strictTypes/,
    ],
    ["a then without its if", { ...base, then: {} }, "/then", /if/],
    [
      "a reference to nothing",
      { ...base, properties: { a: { $ref: "nothing.json" } } },
      "/properties/a/$ref",
      /^schema of m: can't resolve reference nothing\.json/,
    ],
    [
      "a reference to nothing inside",
      { ...base, allOf: [...base.allOf, { $ref: "#/$defs/x" }] },
      "/allOf/1/$ref",
      /can't resolve reference #\/\$defs\/x/,
    ],
    [
      "an unknown keyword",
      { ...base, properties: { "a/b": { type: "string", maxLenght: 3 } } },
      "/properties/a~1b/maxLenght",
      /unknown keyword: "maxLenght"/,
    ],
    [
      "a keyword of the wrong type",
      { ...base, properties: { a: { type: "string", maxLength: "3" } } },
      "/properties/a/maxLength",
      /must be integer/,
    ],
    ["a schema that is no object", { ...base, type: "objekt" }, "/type", /must be/],
    ["a keyword without its type", { ...base, properties: { a: { maxLength: 3 } } }, "/properties/a", /strictTypes/],
    [
      "one deeper in allOf",
      { ...base, allOf: [...base.allOf, { properties: { b: { maxLength: 3 } } }] },
      "/allOf/1/properties/b",
      /strictTypes/,
    ],
    ["a pattern beyond RE2", { ...base, properties: { a: { type: "string", pattern: "(?=\\d)" } } }, "/properties/a/pattern", /RE2/],
    ["a wrong x-size", { ...base, properties: { size: { type: "string", "x-size": {} } } }, "/properties/size", /x-size/],
    [
      "a size spelled otherwise",
      { ...base, properties: { size: { type: "string", "x-size": { one_of: ["2k"] } } } },
      "/properties/size/x-size/one_of/0",
      /spelled 2K/,
    ],
    ["what is no schema at all", JSON.parse("[]") as ModelSchema, "", /^schema of m: it must be object/],
    ["another draft", { $schema: "http://json-schema.org/draft-07/schema#", ...base }, "/$schema", /draft-07/],
  ];
  for (const [what, schema, pointer, message] of broken) {
    it(`refuses ${what} and points to it`, () => {
      const error = problem(schema);
      expect(error.message)
        .to.match(/^schema of m: /)
        .and.match(message);
      expect(error.pointer).to.equal(pointer);
    });
  }

  it("points nowhere when the culprit is in the common schema", () => {
    const compiler = createModelCompiler({ $id: "common.json", type: "object", properties: { a: { type: "string", maxLenght: 3 } } });
    expect(() => compiler("m", base))
      .to.throw(SchemaError)
      .with.property("pointer", undefined);
  });
});

describe("the bundled schema", () => {
  for (const name of ["gpt-image-2-pro", "dall-e-3", "seedream-5.0-lite"]) {
    it(`of ${name} needs no other file and judges the same`, () => {
      const { bundled, validate } = shippedModel(name);
      const alone = createAjv({ useDefaults: true }).compile(structuredClone(bundled));
      const requests = [
        {},
        { n: 1 },
        { n: 2 },
        { n: 11 },
        { size: "1:1" },
        { size: "1000x1000" },
        { promt: "a" },
        { style: "calm" },
        { seed: 0.5 },
      ];
      for (const fields of requests) {
        const request = { model: name, prompt: "a cat", ...fields };
        const other = structuredClone(request);
        const fine = alone(other);
        if (fine) validate(request);
        else refusalOf(() => validate(request));
        if (fine) expect(request).to.deep.equal(other);
      }
    });
  }
});

describe("validate", () => {
  const field = (name: string) =>
    fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...shippedModel(name).properties) }, { weight: 1, arbitrary: fc.string() });

  for (const name of ["gpt-image-2", "dall-e-3", "seedream-5.0-lite", "kolors"]) {
    it(`of ${name} accepts or throws a 400 for any JSON object`, () => {
      const { validate } = shippedModel(name);
      const requests = fc.dictionary(field(name), fc.jsonValue(), { maxKeys: 8 });
      fc.assert(
        fc.property(requests, fc.boolean(), (fields, complete) => {
          const request: Record<string, unknown> = complete ? { ...fields, model: name, prompt: "a cat" } : fields;
          try {
            validate(request);
            return true;
          } catch (error) {
            return error instanceof GatewayError && error.status === 400 && error.message.length < 2000;
          }
        }),
        { numRuns: 500 },
      );
    });
  }
});
