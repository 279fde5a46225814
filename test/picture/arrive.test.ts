import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { expect } from "chai";
import fc from "fast-check";
import { keepTexts, type Taker } from "../../src/picture/arrive.ts";
import { decodedBase64, NotBase64, standardBase64 } from "../../src/picture/base64.ts";
import { base64Of, chunksOf } from "../../src/picture/convert.ts";
import { liftJson, LongText } from "../../src/picture/lift.ts";
import { solidPng } from "../../src/picture/png.ts";
import { createSpool } from "../../src/picture/spool.ts";

const picture = Buffer.concat([solidPng(64, 64), Buffer.alloc(200_000, "what a picture is made of")]);
const base64 = picture.toString("base64");
const never = new AbortController().signal;

async function* cut(text: string | Buffer, size: number): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield Promise.resolve(bytes.subarray(at, at + size));
}

const spellings: ((text: string) => string)[] = [
  (text) => text,
  (text) => text.replaceAll("+", "-").replaceAll("/", "_"),
  (text) => text.replace(/=+$/, ""),
  (text) => text.replace(/.{5}/g, "$&\r\n "),
  (text) => `data:image/png;base64,${text}\n`,
];

describe("base64 that arrives", () => {
  const read = async (text: string, size: number) => {
    const standard = (await buffer(standardBase64(cut(text, size)))).toString("latin1");
    return { standard, bytes: await buffer(decodedBase64(cut(standard, size))) };
  };

  it("is what Buffer makes of it, however it is spelled and cut", async () => {
    const sizes = fc.integer({ min: 30, max: 200 });
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.constantFrom(...spellings), sizes, async (raw, spell, size) => {
        const bytes = Buffer.from(raw);
        const { standard, bytes: decoded } = await read(spell(bytes.toString("base64")), size);
        expect(standard).to.equal(bytes.toString("base64"));
        expect(decoded.equals(bytes)).to.equal(true);
      }),
    );
  });

  it("is cut anywhere, one character at a time too", async () => {
    for (const spell of spellings.slice(0, 4))
      expect((await read(spell(base64.slice(0, 402)), 1)).standard).to.equal(`${base64.slice(0, 402)}==`);
  });

  for (const wrong of [
    "",
    "A",
    "AAAAA",
    "AA=A",
    "AA==AAAA",
    "AA=",
    "A===",
    "AA===",
    "AAAA!AAA",
    "AAAA\0",
    "data:image/svg+xml,AAAA",
    "====",
  ]) {
    it(`is not base64: ${JSON.stringify(wrong)}`, async () => {
      for (const size of [1000, 1]) {
        const failure: unknown = await read(wrong, wrong.startsWith("data") ? 1000 : size).catch((error: unknown) => error);
        expect(failure).to.be.instanceOf(NotBase64);
      }
    });
  }
});

describe("the long texts of a document", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "pictor-arrive-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const lift = async (texts: string[], { memory, taker }: { memory?: number; taker?: Taker } = {}) => {
    const scope = createSpool({ folder, memory }).scope();
    const json = { texts, last: true };
    const read = (await liftJson(cut(JSON.stringify(json), 30_000), keepTexts(scope, never, { limit: 2_000_000, taker }))) as typeof json;
    expect(read.last).to.equal(true);
    return { scope, texts: read.texts as unknown as LongText[] };
  };

  for (const memory of [undefined, 1])
    it(`are bytes where they are pictures, in memory or on disk: ${memory}`, async () => {
      const { scope, texts } = await lift([...spellings.map((spell) => spell(base64)), "x".repeat(100_000)], { memory });
      for (const [index, { picture: kept, text, prefix }] of texts.slice(0, -1).entries()) {
        expect(text).to.equal(undefined);
        expect(kept?.kind).to.equal(memory === 1 ? "file" : "bytes");
        expect((await buffer(chunksOf(kept!))).equals(picture)).to.equal(true);
        expect((await buffer(base64Of(kept!))).toString() === base64).to.equal(true);
        expect(prefix).to.equal(index === 4 ? "data:image/png;base64," : "");
      }
      expect((await buffer(chunksOf(texts.at(-1)!.text!))).toString()).to.equal("x".repeat(100_000));
      await scope.close();
      expect(await readdir(folder)).to.deep.equal([]);
    });

  it("are nothing where they began as a picture and are none, and the others stay", async () => {
    const { texts } = await lift([`${base64.slice(0, -8)}!!!!!!!!`, base64]);
    expect([texts[0]!.picture, texts[0]!.text]).to.deep.equal([undefined, undefined]);
    expect((await buffer(chunksOf(texts[1]!.picture!))).equals(picture)).to.equal(true);
  });

  for (const form of ["raw", "base64"])
    it(`are read from the wire by who takes the first picture: ${form}`, async () => {
      let taken: Promise<Buffer> | undefined;
      const taker: Taker = (data, soFar) => {
        expect(soFar("here")).to.deep.equal({ texts: ["x", "here"] });
        taken = buffer(form === "raw" ? chunksOf(data) : base64Of(data));
        return true;
      };
      const { texts } = await lift(["x", base64, base64], { taker });
      expect((await taken!).equals(form === "raw" ? picture : Buffer.from(base64))).to.equal(true);
      expect((await buffer(chunksOf(texts[2]!.picture!))).equals(picture)).to.equal(true);
    });

  it("are kept after all where nobody takes the picture", async () => {
    const { texts } = await lift([base64], { taker: () => false });
    expect((await buffer(chunksOf(texts[0]!.picture!))).equals(picture)).to.equal(true);
  });

  it("go on when who took the picture lets it go", async () => {
    const taker: Taker = ({ stream }) => {
      setImmediate(() => stream.destroy());
      return true;
    };
    const { texts } = await lift([base64, base64], { taker });
    expect((await buffer(chunksOf(texts[1]!.picture!))).equals(picture)).to.equal(true);
  });
});
