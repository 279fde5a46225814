import { expect } from "chai";
import { createAjv } from "../../src/schema/ajv.ts";
import { once } from "../../src/schema/once.ts";

describe("a schema that says something several times", () => {
  const names = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`name${index}`, { type: "string" } as const]));
  const step = { type: "object", additionalProperties: false, properties: { ...names, description: { type: "integer" } } } as const;
  const schema = {
    type: "object",
    properties: {
      first: { ...step, description: "What comes first." },
      more: { type: "array", items: step },
      named: { type: "object", additionalProperties: step },
      either: { type: ["object", "string"], if: { type: "string" }, then: { enum: ["a"] }, else: step },
      one: { oneOf: [step, { type: "string" }] },
    },
  } as const;
  const judge = createAjv({ allErrors: true }).compile(once(schema));
  const told = (value: unknown) => (judge(value) ? [] : judge.errors!.map(({ instancePath, message }) => `${instancePath} ${message}`));

  it("is written with that in one place, but for the branches of oneOf", () => {
    const written = JSON.stringify(once(schema));
    expect(written.split('"name7"')).to.have.length(3);
    expect(written).not.to.include("What comes first.");
  });

  it("accepts the same, and reports the same errors in each place", () => {
    expect(told({ first: { name1: "a", description: 1 }, more: [{ name2: "b" }], named: { a: {} }, either: "a", one: {} })).to.deep.equal(
      [],
    );
    expect(told({ first: { name1: 1 }, more: [{ description: "b" }], named: { a: { b: 1 } }, either: { name3: 1 } })).to.deep.equal([
      "/first/name1 must be string",
      "/more/0/description must be integer",
      "/named/a must NOT have additional properties",
      "/either/name3 must be string",
      '/either must match "else" schema',
    ]);
  });
});
