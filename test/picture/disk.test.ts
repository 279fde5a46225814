import { mkdtemp, open, rm, writeFile, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { createWriter, watchDisk } from "../../src/picture/disk.ts";

const megabyte = 1024 * 1024;

describe("writing to a disk", () => {
  it("fails where the disk takes only a part, also at the very end", async () => {
    const handle = { writev: () => Promise.resolve({ bytesWritten: 3 }) } as unknown as FileHandle;
    const writer = createWriter(handle);
    await writer.write([Buffer.from("four")]);
    const failure: unknown = await writer.end().catch((error: unknown) => error);
    expect(String(failure)).to.equal("Error: the disk took 3 of 4 bytes");
  });

  it("gives everything back that a disk which filled up in the middle had taken, and had not", async () => {
    const folder = await mkdtemp(join(tmpdir(), "pictor-disk-"));
    const file = await open(join(folder, "file"), "wx+");
    let room = 1_300_000;
    const full = Object.assign(new Error("no space left"), { code: "ENOSPC" });
    const handle = {
      read: file.read.bind(file),
      writev: async (pieces: Buffer[]) => {
        if (room === 0) throw full;
        const whole = Buffer.concat(pieces);
        const { bytesWritten } = await file.write(whole, 0, Math.min(room, whole.length));
        room -= bytesWritten;
        return { bytesWritten };
      },
    } as unknown as FileHandle;
    try {
      const whole = Buffer.from(Array.from({ length: 3 * megabyte }, (_, index) => (index * 7) % 251));
      const writer = createWriter(handle);
      let given = 0;
      const failure: unknown = await (async () => {
        for (; given < whole.length;) {
          const chunk = whole.subarray(given, given + 100_000);
          given += chunk.length;
          await writer.write([chunk]);
        }
        await writer.end();
      })().catch((error: unknown) => error);
      expect(failure).to.be.instanceOf(Error);
      expect((await writer.takeBack()).equals(whole.subarray(0, given))).to.equal(true);
    } finally {
      await file.close();
      await rm(folder, { recursive: true });
    }
  });
});

describe("watching a disk", () => {
  it("tells whether it can be written to, and what is free", async () => {
    const folder = await mkdtemp(join(tmpdir(), "pictor-disk-"));
    try {
      const good = await watchDisk(join(folder, "new"))();
      expect(good.writable).to.equal(true);
      expect(good.freeBytes).to.be.greaterThan(0);
      await writeFile(join(folder, "file"), "");
      expect(await watchDisk(join(folder, "file"))()).to.include({ writable: false });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
