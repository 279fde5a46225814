import { buffer } from "node:stream/consumers";
import { expect } from "chai";
import fc from "fast-check";
import { liftFrom, liftJson, LongText, type Sink } from "../../src/picture/lift.ts";

/** The value as `JSON.parse` would give it. */
function whole(value: unknown): unknown {
  if (value instanceof LongText) return value.text?.kind === "bytes" ? value.text.bytes.toString("utf8") : undefined;
  if (Array.isArray(value)) return value.map(whole);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, whole(inner)]));
}

/** The text, cut at places that the numbers give, again and again. */
async function* cut(text: string | Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text);
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? bytes.length;
    yield Promise.resolve(bytes.subarray(at, at + size));
    at += size;
  }
}

const keep: Sink = async (text) => new LongText({ text: { kind: "bytes", bytes: await buffer(text) } });

const filler = "A".repeat(liftFrom);
const piece = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("", "\\", '"', '\\"', "/", "lifted-", "\n", "\u2028", "\\\\", "🐈", "é", "\u0007"),
);
const long = fc
  .tuple(piece, fc.array(piece, { maxLength: 8 }), fc.integer({ min: -2, max: 2 }), fc.nat({ max: liftFrom }))
  .map(([a, more, off, at]) => a + filler.slice(0, Math.max(0, liftFrom + off - at)) + more.join("") + filler.slice(0, at));
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

/** Ways of writing the same JSON: as it is, in lines, with `\/`, and with everything but letters as `\u`. */
const writers: ((json: unknown) => string)[] = [
  (json) => JSON.stringify(json),
  (json) => JSON.stringify(json, undefined, 1),
  (json) => JSON.stringify(json).replaceAll("/", "\\/"),
  (json) => JSON.stringify(json).replace(/[^\x20-\x7e]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`),
];
const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1000, max: 200_000 })), { minLength: 1, maxLength: 30 });
// Small cuts alone would make tens of thousands of chunks.
const cuts = sizes.map((list) => [...list, 70_000]);

describe("JSON with its long texts lifted out while it arrives", () => {
  it("is what JSON.parse makes of it, however it is written and cut", async () => {
    await fc.assert(
      fc.asyncProperty(value, fc.constantFrom(...writers), cuts, async (json, write, places) => {
        const text = write(json);
        expect(whole(await liftJson(cut(text, places), keep))).to.deep.equal(JSON.parse(text));
      }),
      { numRuns: 150 },
    );
  });

  it("is right around texts of which the sink reads nothing, or not all", async () => {
    const json = { a: [filler, "b", `${filler}"${filler}`], c: { d: `${filler}\\`, e: filler.slice(1) } };
    for (const places of [[1_000_000], [70_000], [999, 3], [liftFrom + 9]]) {
      let turn = 0;
      const sink: Sink = async (text) => {
        turn += 1;
        if (turn % 3 === 1) await text.next();
        if (turn % 3 === 2) for await (const part of text) if (part.length > 0) break;
        return turn;
      };
      expect(await liftJson(cut(JSON.stringify(json), places), sink)).to.deep.equal({ a: [1, "b", 2], c: { d: 3, e: json.c.e } });
    }
  });

  it("tells what the document is so far", async () => {
    const seen: unknown[] = [];
    const sink: Sink = (_text, soFar) => {
      seen.push(soFar("here"));
      return Promise.resolve("read");
    };
    const json = { a: 1, "b]": [{ c: '"]}\\' }, { d: filler, e: 2 }], f: filler };
    await liftJson(cut(JSON.stringify(json), [10_000]), sink);
    expect(seen).to.deep.equal([
      { a: 1, "b]": [{ c: '"]}\\' }, { d: "here" }] },
      { a: 1, "b]": [{ c: '"]}\\' }, { d: "read", e: 2 }], f: "here" },
    ]);
  });

  it("is refused wherever it is cut off", async () => {
    const text = Buffer.from(JSON.stringify({ a: [`${filler}\\"x`, "b"], c: { d: filler } }));
    const end = fc.oneof(fc.integer({ min: 0, max: text.length - 1 }), fc.integer({ min: liftFrom, max: liftFrom + 40 }));
    await fc.assert(
      fc.asyncProperty(end, cuts, async (length, places) => {
        const failure: unknown = await liftJson(cut(text.subarray(0, length), places), keep).catch((error: unknown) => error);
        expect(failure).to.be.instanceOf(SyntaxError);
      }),
      { numRuns: 60 },
    );
  });

  for (const [what, text] of Object.entries({
    "an unknown escape": `"${filler}\\x"`,
    "half an escape": `"${filler}\\u00"`,
    "a name that is long": `{"${filler}": 1}`,
    "words behind it": `"${filler}" or so`,
  }))
    it(`is refused with ${what}`, async () => {
      expect(await liftJson(cut(text, [1000]), keep).catch((error: unknown) => error)).to.be.instanceOf(SyntaxError);
    });

  it("ends with the error of its source or its sink, and lets the source go", async () => {
    let closed = 0;
    async function* source(failure?: Error): AsyncGenerator<Buffer> {
      try {
        yield Promise.resolve(Buffer.from(`["${filler}`));
        if (failure) throw failure;
        yield Buffer.from('"]');
      } finally {
        closed += 1;
      }
    }
    for (const [failure, sink] of [
      [new Error("cut"), keep],
      [undefined, () => Promise.reject(new Error("full"))],
    ] as const) {
      const error: unknown = await liftJson(source(failure), sink).catch((reason: unknown) => reason);
      expect(error).to.have.property("message", failure ? "cut" : "full");
    }
    expect(closed).to.equal(2);
  });

  it("shows no more of a long text than what it is", () => {
    const text = new LongText({ text: { kind: "bytes", bytes: Buffer.from(filler) } });
    const picture = new LongText({ picture: { kind: "bytes", bytes: Buffer.from(filler) } });
    expect([String(text), JSON.stringify(picture)]).to.deep.equal(["(a long text)", '"(a picture)"']);
  });

  it("may begin with a byte order mark", async () => {
    expect(await liftJson(cut(`\uFEFF{"a":1}`, [4]), keep)).to.deep.equal({ a: 1 });
  });
});
