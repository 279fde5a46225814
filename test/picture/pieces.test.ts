// What comes in single bytes is held in few pieces, whole and in order.
import { expect } from "chai";
import { gather } from "../../src/picture/pieces.ts";

describe("picture: pieces", () => {
  it("stay few, however finely a body is cut, and large ones are not copied", () => {
    const pieces: Buffer[] = [];
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));
    for (let at = 0; at < bytes.length; at += 1) gather(pieces, bytes.subarray(at, at + 1));
    const large = Buffer.alloc(200_000, 7);
    gather(pieces, large);
    gather(pieces, large);
    expect(pieces.length).to.be.below(25);
    expect(pieces.at(-1)).to.equal(large);
    expect(Buffer.concat(pieces).equals(Buffer.concat([bytes, large, large]))).to.equal(true);
  });
});
