// Tests what a look at the operator's files sees.
import { expect } from "chai";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { changedPaths, snapshotOf } from "../../src/process/watch.ts";

describe("a look at files", () => {
  it("sees the same in the folder that ships as in others: every file that a load reads, and each edit", async () => {
    const folder = await mkdtemp(join(tmpdir(), "pictor-look-"));
    try {
      await mkdir(join(folder, "models"));
      for (const name of ["acme.yaml", ".acme.yaml", "notes.txt", "models/a.json"]) await writeFile(join(folder, name), "1");
      await symlink("gone.yaml", join(folder, "gone.yaml"));
      await symlink("round.yaml", join(folder, "round.yaml"));
      const before = await snapshotOf([folder], folder);
      expect([...before.keys()].sort()).to.deep.equal([join(folder, "acme.yaml"), join(folder, "models/a.json")]);
      expect([...before].sort()).to.deep.equal([...(await snapshotOf([folder]))].sort());
      await writeFile(join(folder, "models/a.json"), "22");
      await rm(join(folder, "acme.yaml"));
      expect(changedPaths(before, await snapshotOf([folder], folder))).to.have.members([...before.keys()]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
