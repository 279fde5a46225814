// Files that are none, or are too large, among those of the operator.
import { spawnSync } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { readGatewayFile } from "../../src/process/gateway-file.ts";
import { ConfigError } from "../../src/errors.ts";
import { stopwatch } from "../helpers/turns.ts";
import { channel, lineOf, makeFolder, problemsIn } from "./mistakes.ts";

/** Everything that is wrong with a folder in which one file is a pipe that nobody writes to. */
async function withPipe(name: string, files: Record<string, string>): Promise<string[]> {
  const folder = await makeFolder(files);
  try {
    await rm(join(folder, name), { force: true });
    expect(spawnSync("mkfifo", [join(folder, name)]).status).to.equal(0);
    return (await problemsIn(folder, { PIPE: join(folder, name) })).map(lineOf);
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe("a pipe in place of a file", function () {
  // A read that waits for a writer would never end.
  this.timeout(5000);

  const unread = (file: string) => [`channels/${file}:1:1: cannot be read: it is not a regular file`];
  it("does not hang the load as a channel", async () => {
    expect(await withPipe("other.yaml", { "x.yaml": channel })).to.deep.equal(unread("other.yaml"));
  });
  it("does not hang the load as a preset", async () => {
    expect(await withPipe("presets/p.yaml", { "x.yaml": channel, "presets/p.yaml": "" })).to.deep.equal(unread("presets/p.yaml"));
  });
  it("does not hang the load as a schema", async () => {
    expect(await withPipe("models/other.json", { "x.yaml": channel })).to.deep.equal(unread("models/other.json"));
  });
  it("does not hang the load as a document beside the channels", async () => {
    const [problem] = await withPipe("flow.json", {
      "x.yaml": channel.replace("json:\n", "json:\n      flow: { $document: flow.json }\n"),
    });
    expect(problem).to.match(/x\.yaml:11:\d+: .*flow\.json cannot be read: it is not a regular file/);
  });
  it("does not hang the load as a secret", async () => {
    const [problem] = await withPipe("secret", { "x.yaml": channel.replace("${env.X_API_KEY}", "${file(env.PIPE)}") });
    expect(problem).to.match(/x\.yaml:2:\d+: keys: cannot be worked out; .*it is not a regular file/);
  });
  it("does not hang the load as gateway.yaml", async () => {
    const folder = await makeFolder({});
    try {
      const file = join(folder, "gateway.yaml");
      spawnSync("mkfifo", [file]);
      const error = await readGatewayFile(file, {}).catch((thrown: unknown) => thrown);
      expect((error as ConfigError).problems.map(({ message }) => message)).to.deep.equal(["cannot be read: it is not a regular file"]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("a file that is too large", () => {
  it("is not parsed, which would hold up every request for seconds", async () => {
    const folder = await makeFolder({ "x.yaml": channel, "y.yaml": `${channel}# ${"-".repeat(2_000_000)}\n` });
    try {
      const took = stopwatch();
      expect((await problemsIn(folder)).map(lineOf)).to.deep.equal([
        "channels/y.yaml:1:1: cannot be read: it has 1954 KB; the most is 256 KB",
      ]);
      expect(took()).to.be.below(500);
      await writeFile(join(folder, "y.yaml"), `${channel}# ${"-".repeat(200_000)}\n`);
      expect(await problemsIn(folder)).to.deep.equal([]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
