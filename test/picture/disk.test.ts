import type { FileHandle } from "node:fs/promises";
import { expect } from "chai";
import { createWriter } from "../../src/picture/disk.ts";

describe("writing to a disk", () => {
  it("fails where the disk takes only a part, also at the very end", async () => {
    const handle = { writev: () => Promise.resolve({ bytesWritten: 3 }) } as unknown as FileHandle;
    const writer = createWriter(handle);
    await writer.write([Buffer.from("four")]);
    const failure: unknown = await writer.end().catch((error: unknown) => error);
    expect(String(failure)).to.equal("Error: the disk took 3 of 4 bytes");
  });
});
