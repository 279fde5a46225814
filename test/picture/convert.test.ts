import { expect } from "chai";
import { Readable } from "node:stream";
import { base64Length, base64Of, chunksOf, headOf, type LocalData } from "../../src/picture/convert.ts";
import { solidPng } from "../../src/picture/png.ts";

// Longer than what is converted at a time, and no multiple of three.
const bytes = Buffer.concat([solidPng(64, 64), Buffer.alloc(1024 * 1024, "picture")]);
const streamed = (size?: number): LocalData => ({
  kind: "stream",
  head: bytes.subarray(0, 4096),
  stream: Readable.from([bytes.subarray(4096, 500_000), bytes.subarray(500_000)]),
  size,
});

async function all(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

describe("a picture's bytes", () => {
  const forms: Record<string, () => LocalData> = {
    bytes: () => ({ kind: "bytes", bytes }),
    base64: () => ({ kind: "base64", ascii: Buffer.from(bytes.toString("base64")) }),
    "a stream": () => streamed(bytes.length),
  };
  for (const [name, form] of Object.entries(forms)) {
    it(`are the same as ${name}, raw and as base64, and as long as was told`, async () => {
      expect((await all(chunksOf(form()))).equals(bytes)).to.equal(true);
      expect((await all(base64Of(form()))).toString() === bytes.toString("base64")).to.equal(true);
      expect(base64Length(form())).to.equal(bytes.toString("base64").length);
      expect(headOf(form()).subarray(0, 26).equals(bytes.subarray(0, 26))).to.equal(true);
    });
  }

  it("have no length beforehand where a server told none", () => {
    expect(base64Length(streamed())).to.equal(undefined);
  });
});
