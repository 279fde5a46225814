import { expect } from "chai";
import fc from "fast-check";
import { liftFrom, LongText, parseLifted } from "../../src/picture/lift.ts";

/** The value as `JSON.parse` would give it. */
function whole(value: unknown): unknown {
  if (value instanceof LongText) return value.ascii.toString("utf8");
  if (Array.isArray(value)) return value.map(whole);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, whole(inner)]));
}

const filler = "A".repeat(liftFrom);
const piece = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("", "\\", '"', '\\"', "/", "lifted-", "\n", "\u2028", "\\\\"));
const long = fc.tuple(piece, piece, fc.integer({ min: -2, max: 2 })).map(([a, b, off]) => a + filler.slice(0, liftFrom + off) + b);
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: "small" },
    long,
    piece,
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("any"), { maxLength: 4 }),
    fc.dictionary(piece, tie("any"), { maxKeys: 4 }),
  ),
})).any;

describe("JSON with its long texts lifted out", () => {
  it("is what JSON.parse makes of it, however it is written", () => {
    fc.assert(
      fc.property(value, fc.constantFrom(undefined, 1), fc.boolean(), (json, indent, slashes) => {
        const text = slashes ? JSON.stringify(json, undefined, indent).replaceAll("/", "\\/") : JSON.stringify(json, undefined, indent);
        expect(whole(parseLifted(Buffer.from(text)))).to.deep.equal(JSON.parse(text));
      }),
      { numRuns: 150 },
    );
  });

  it("is refused wherever it is cut", () => {
    const text = Buffer.from(JSON.stringify({ a: [`${filler}\\"x`, "b"], c: { d: filler } }));
    fc.assert(
      fc.property(fc.oneof(fc.integer({ min: 0, max: text.length - 1 }), fc.integer({ min: liftFrom, max: liftFrom + 40 })), (length) => {
        expect(() => parseLifted(text.subarray(0, length))).to.throw(SyntaxError);
      }),
      { numRuns: 60 },
    );
  });

  it("lifts texts from a length on, and shows no more of them than that", () => {
    const lifted = parseLifted(Buffer.from(JSON.stringify([filler, filler.slice(1)]))) as [LongText, string];
    expect(lifted[0]).to.be.instanceOf(LongText);
    expect([String(lifted[0]), JSON.stringify(lifted[0])]).to.deep.equal([`(text of ${liftFrom} bytes)`, `"(text of ${liftFrom} bytes)"`]);
    expect(lifted[1]).to.be.a("string");
  });

  it("may begin with a byte order mark", () => {
    expect(parseLifted(Buffer.from('\uFEFF{"a":1}'))).to.deep.equal({ a: 1 });
  });
});
