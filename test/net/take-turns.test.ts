import { expect } from "chai";
import { takeTurns } from "../../src/net/take-turns.ts";

describe("net: turns", () => {
  it("are others' after every 256 KB, however these are cut", () => {
    const turn = takeTurns();
    const waits = Array.from({ length: 12 }, () => turn(Buffer.alloc(96 * 1024)) !== undefined);
    expect(waits.flatMap((isWait, index) => (isWait ? [index] : []))).to.deep.equal([2, 5, 8, 11]);
  });

  it("are those of everything that is due already", async () => {
    const seen: string[] = [];
    setImmediate(() => seen.push("other"));
    await takeTurns()(Buffer.alloc(256 * 1024));
    expect(seen).to.deep.equal(["other"]);
  });
});
