import { expect } from "chai";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loadChannels } from "../../src/channels/load.ts";
import { ConfigError } from "../../src/errors.ts";
import { plugins } from "../helpers/channels.ts";
import { channel, lineOf, load, makeFolder, problemsIn } from "./mistakes.ts";

async function thrownBy(promise: Promise<unknown>): Promise<ConfigError> {
  const error = await promise.then(
    () => new Error("nothing was thrown"),
    (thrown: unknown) => thrown,
  );
  expect(error).to.be.instanceOf(ConfigError);
  return error as ConfigError;
}

describe("the report of what is wrong", () => {
  it("has file, line, column, message and a frame with the caret below the place", async () => {
    const error = await thrownBy(load({ "x.yaml": channel.replace("request.n}", "request.nn}") }));
    expect(error.message).to.match(/channels?\S*\/x\.yaml:12:20: |x\.yaml:12:20: /);
    expect(error.problems[0]?.frame).to.equal(
      ["  11 |       prompt: ${request.prompt}", "  12 |       n: ${request.nn}", "     |                    ^"].join("\n"),
    );
  });

  it("shows the part of a long line that is meant, and no line before the first", async () => {
    const far = await thrownBy(load({ "x.yaml": `a: ["${"x".repeat(300)}", "\${"]\nextends: [${"1, ".repeat(60)}}\n` }));
    for (const { frame } of far.problems) for (const line of frame.split("\n")) expect(line.length).to.be.below(170);
    const first = await thrownBy(load({ "x.yaml": "a: 1\n" }));
    expect(first.problems[0]?.frame).to.equal("  1 | a: 1\n    | ^");
  });

  it("never shows a key, neither in the message nor in any frame", async () => {
    const text = channel.replace('["${env.X_API_KEY}"]', '["abcdef123456", { id: abcdef123456 }] # was sk-1234567890abcdef');
    const files = { "x.yaml": text.replace("keys:", "a: 1\nkeys:").replace("base_url", "bse_url") };
    const error = await thrownBy(load(files, { X_API_KEY: "abcdef123456" }));
    expect(error.problems.map(({ line }) => line)).to.include.members([1, 3]);
    expect(error.message)
      .to.include("************")
      .and.not.match(/abcdef|sk-1/);
    expect(JSON.stringify(error.problems)).not.to.match(/abcdef|sk-1/);
  });

  it("shows paths below the working directory relative to it", async () => {
    const inside = join(process.cwd(), "dist", `report-${process.pid}`);
    await mkdir(inside, { recursive: true });
    try {
      await writeFile(join(inside, "x.yaml"), "");
      const error = await thrownBy(loadChannels({ folder: inside, plugins, env: {} }));
      expect(error.problems[0]?.file).to.equal(join("dist", `report-${process.pid}`, "x.yaml"));
    } finally {
      await rm(inside, { recursive: true });
    }
  });

  it("tells a folder that is not there, and a file that cannot be read", async () => {
    const [gone] = await problemsIn("/nowhere/channels");
    expect(gone && lineOf(gone)).to.match(/^channels:1:1: the folder of channels cannot be read: ENOENT/);
    const folder = await makeFolder({ "x.yaml": channel });
    try {
      await symlink("/nowhere/file", join(folder, "y.yaml"));
      // An editor's lock, which leads nowhere on purpose.
      await symlink("/nowhere/file", join(folder, ".#x.yaml"));
      expect((await problemsIn(folder)).map(lineOf).join()).to.match(/^channels\/y\.yaml:1:1: cannot be read: ENOENT[^\n]*$/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("leaves out channels that were not asked for, and works without presets and models of a folder's own", async () => {
    const folder = await makeFolder({ "x.yaml": channel, "y.yaml": "" });
    try {
      const error = await thrownBy(loadChannels({ folder, plugins, env: {} }));
      expect(error.problems).to.have.length(1);
      await rm(join(folder, "y.yaml"));
      await writeFile(join(folder, "y.yaml"), channel.replace("  m:\n", "  mm:\n"));
      const { channels } = await loadChannels({ folder, plugins, env: {}, only: ["x"] });
      expect(channels.map(({ name }) => name)).to.deep.equal(["x"]);
      await rm(join(folder, "models"), { recursive: true });
      await rm(join(folder, "y.yaml"));
      expect((await problemsIn(folder)).map(lineOf)).to.deep.equal([
        "channels/x.yaml:4:3: models: there is no schema models/m.json (nothing is known here)",
      ]);
      await mkdir(join(folder, "models"));
      await writeFile(join(folder, "models", "m.json"), '{ "type": "object", "properties": { "prompt": {}, "n": {} } }');
      expect(await problemsIn(folder)).to.deep.equal([]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
