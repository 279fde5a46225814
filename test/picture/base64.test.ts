import { buffer } from "node:stream/consumers";
import { expect } from "chai";
import fc from "fast-check";
import { decodeBase64, decodeHead, encodeBase64, guessHead, readBase64 } from "../../src/picture/base64.ts";
import { sniff, sniffBytes } from "../../src/picture/sniff.ts";
import { stopwatch } from "../helpers/turns.ts";

async function* from(chunks: Iterable<Uint8Array>): AsyncGenerator<Buffer> {
  for (const chunk of chunks) yield Promise.resolve(Buffer.from(chunk));
}

async function encoded(chunks: Iterable<Uint8Array>): Promise<Buffer> {
  return buffer(encodeBase64(from(chunks)));
}

const read = (text: string) => readBase64(Buffer.from(text, "latin1"));
const said = (text: string) => read(text)?.ascii.toString("latin1");
const noise = (length: number) => Buffer.alloc(length, Buffer.from("the quick brown fox jumps over the lazy dog 0123456789 !"));

describe("base64", () => {
  it("encodes any bytes, however they are cut, as Buffer does", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 12 }), async (chunks) => {
        expect((await encoded(chunks)).toString()).to.equal(Buffer.concat(chunks).toString("base64"));
      }),
    );
  });

  it("encodes a large chunk in pieces", async () => {
    const bytes = noise(3_000_001);
    const pieces: Buffer[] = [];
    for await (const piece of encodeBase64(from([bytes]))) pieces.push(piece);
    expect(Math.max(...pieces.map((piece) => piece.length))).to.be.at.most(1024 * 1024);
    expect(Buffer.concat(pieces).toString()).to.equal(bytes.toString("base64"));
  });

  it("reads back what was written, in every spelling", () => {
    const cut = (text: string) => text.replace(/.{5}/g, "$&\r\n ");
    const spellings: ((bytes: Buffer) => string)[] = [
      (bytes) => bytes.toString("base64"),
      (bytes) => bytes.toString("base64url"),
      (bytes) => bytes.toString("base64").replace(/=+$/, ""),
      (bytes) => cut(bytes.toString("base64")),
      (bytes) => `data:image/png;base64,${cut(bytes.toString("base64url"))}\n`,
    ];
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), fc.constantFrom(...spellings), (raw, spell) => {
        const bytes = Buffer.from(raw);
        const ascii = read(spell(bytes))?.ascii;
        expect(ascii?.toString()).to.equal(bytes.toString("base64"));
        expect(decodeBase64(ascii!).equals(bytes)).to.equal(true);
        expect(decodeHead(ascii!).equals(bytes)).to.equal(true);
      }),
    );
  });

  it("finds one wrong character anywhere", () => {
    const wrong = fc.constantFrom("!", "=", "\x00", "é", "\x80", "%", ",", "*", "\\", '"');
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 3, maxLength: 90 }), fc.nat(), wrong, (raw, place, character) => {
        const text = Buffer.from(raw.subarray(0, raw.length - (raw.length % 3))).toString("base64");
        const at = place % (text.length - 2);
        expect(read(text.slice(0, at) + character + text.slice(at + 1))).to.equal(undefined);
      }),
    );
  });

  it("takes off the prefix of a data URI and tells its media type", () => {
    expect(read("data:image/png;base64,YWJj")?.mediaType).to.equal("image/png");
    expect(read("DATA:Image/JPEG;name=a b.jpg;Base64,YWJj")?.mediaType).to.equal("image/jpeg");
    expect(read("data:image/webp; base64 ,YWI")).to.deep.equal({ mediaType: "image/webp", ascii: Buffer.from("YWI=") });
    expect(read("data:;base64,YWJj")).to.deep.equal({ ascii: Buffer.from("YWJj") });
    expect(read("YWJj")).to.deep.equal({ ascii: Buffer.from("YWJj") });
  });

  it("refuses what is not base64", () => {
    const refused = [
      "",
      " ",
      "=",
      "==",
      "====",
      "A",
      "AAAAA",
      "AA=",
      "AAA==",
      "AAAA=",
      "AAAA====",
      "YQ==YQ==",
      "https://example.com/a.png",
    ];
    refused.push(
      "data:",
      "data:image/png,abc",
      "data:image/png;base64",
      "data:image/png;base64,",
      "data:image/png;base64,!",
      "data:image/svg+xml;utf8,<svg/>",
    );
    refused.push(`data:image/png;${"x".repeat(2000)};base64,YWJj`);
    for (const text of refused) expect(said(text), JSON.stringify(text)).to.equal(undefined);
  });

  it("does not copy what is fine as it is", () => {
    const plain = Buffer.from("data:image/png;base64,YWJjZGVm");
    const { ascii } = readBase64(plain)!;
    expect(ascii.buffer).to.equal(plain.buffer);
    expect(ascii.byteOffset - plain.byteOffset).to.equal(22);
  });

  it("checks and decodes texts of many slices, and finds the fault in the last", () => {
    const bytes = noise(4_000_000);
    const text = Buffer.from(bytes.toString("base64"));
    expect(decodeBase64(readBase64(text)!.ascii).equals(bytes)).to.equal(true);
    expect(decodeHead(text).equals(bytes.subarray(0, sniffBytes))).to.equal(true);
    text[text.length - 5] = 0x21;
    expect(readBase64(text)).to.equal(undefined);
  });

  it("checks 20 MB without holding the event loop for long", () => {
    const text = Buffer.from(noise(15_000_000).toString("base64"));
    const took = stopwatch();
    expect(readBase64(text)).to.deep.include({ ascii: text });
    expect(took()).to.be.below(500);
  });
});

describe("the head of a picture in base64", () => {
  const segment = (marker: number, content: Buffer) => Buffer.concat([Buffer.from([0xff, marker, 0, content.length + 2]), content]);
  const frame = segment(0xc0, Buffer.from([8, 0x02, 0x00, 0x03, 0x00, 1, 1, 0x11, 0]));

  it("is no longer than it takes to tell the size", () => {
    const early = Buffer.concat([Buffer.from([0xff, 0xd8]), frame, Buffer.alloc(4000)]);
    expect(guessHead(Buffer.from(early.toString("base64"))).length).to.be.below(1024);
  });

  it("reaches as far as the size stands", () => {
    const previews = Array.from({ length: 20 }, () => segment(0xe1, Buffer.alloc(200)));
    const late = Buffer.concat([Buffer.from([0xff, 0xd8]), ...previews, frame, Buffer.alloc(100)]);
    const seen = sniff(guessHead(Buffer.from(`data:image/jpeg;base64,${late.toString("base64")}`)));
    expect(seen).to.deep.equal({ mediaType: "image/jpeg", width: 768, height: 512 });
  });
});
