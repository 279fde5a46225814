import { expect } from "chai";
import { readFile } from "node:fs/promises";
import { copied, licensed } from "../../tools/docs/licences.ts";

/** Licences under which a package may be used with ours and passed on. That of libvips is the LGPL, and it is linked dynamically. */
const fine = /^(MIT|ISC|0BSD|BSD-[23]-Clause|Apache-2\.0|BlueOak-1\.0\.0|Unlicense|CC0-1\.0|LGPL-3\.0-or-later)$/;

describe("the licences of what the package installs", () => {
  it("are all known, and let it be used and passed on", async () => {
    const all = await licensed(".");
    expect(all.map(({ name }) => name)).to.include.members(["koa", "sharp", "@img/sharp-linux-x64"]);
    for (const { name, license = "none" } of all)
      for (const one of license.replaceAll(/[()]/g, "").split(/ (?:AND|OR) /)) expect(one, name).to.match(fine);
  });

  it("are those of every package that the build copies from", async () => {
    const assets = await readFile("tools/assets.ts", "utf8");
    const names = [...assets.matchAll(/"([a-z][\w-]*)\/?[\w./-]*"/g)].map(([, name]) => name);
    for (const { name } of copied) expect(names).to.include(name);
  });
});
