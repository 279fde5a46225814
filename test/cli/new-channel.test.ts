import { expect } from "chai";
import { readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { likes, writeChannel, type NewChannel } from "../../src/cli/new-channel.ts";
import { check, test } from "../../src/cli/check.ts";
import { channel, makeFolder } from "../channels/mistakes.ts";
import { inProcess, pictor } from "./commands.ts";

const usual: Omit<NewChannel, "name"> = { baseUrl: "https://api.acme.example/v1", model: "acme-1", schema: "demo", like: "openai" };

describe("pictor new channel", () => {
  it("writes files that pass check, and whose tests pass", async () => {
    const shared = ["models/demo.json", "models/common.json", "presets/openai-images.yaml"];
    const texts = await Promise.all(shared.map(async (name) => [name, await readFile(join("channels", name), "utf8")] as const));
    const folder = await makeFolder({ "models/m.json": undefined, ...Object.fromEntries(texts) });
    try {
      const env = { PICTOR_CHANNELS: folder };
      for (const [index, like] of likes.entries())
        expect(await writeChannel(folder, { ...usual, name: `acme-${like}`, like, model: `acme: ${index}` })).to.equal(
          join(folder, `acme-${like}.yaml`),
        );
      expect(await inProcess((say) => check([], {}, env, say))).to.include({ code: 0, out: "no problems\n" });
      const { code, out } = await inProcess((say) => test([], {}, env, say));
      expect(out).to.match(/3 passed, 0 failed\n$/);
      expect(code).to.equal(0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("never writes over a file, and says what is wrong with a name, an address and a schema", async () => {
    const folder = await makeFolder({ "x.yaml": channel });
    const refused = async (part: Partial<NewChannel>) =>
      writeChannel(folder, { ...usual, schema: "m", name: "acme", ...part }).then(
        () => "it was written",
        (error: unknown) => (error as Error).message,
      );
    try {
      expect(await refused({ name: "x" })).to.equal(`${join(folder, "x.yaml")} is there already; choose another name`);
      expect(await readFile(join(folder, "x.yaml"), "utf8")).to.equal(channel);
      for (const name of ["", "Acme", "../acme", "a.b", "3d", "-a", "a b"])
        expect(await refused({ name })).to.equal(
          `${name} is no name for a channel; use lower-case letters, digits and dashes, a letter first`,
        );
      for (const baseUrl of ["api.example.com", "ftp://a.example", "https://a b", "https://", "https://a.example/ # x", "http://["])
        expect(await refused({ baseUrl })).to.equal(`--base-url is ${baseUrl}; it must be an address such as https://api.example.com/v1`);
      expect(await refused({ schema: "mm" })).to.equal("there is no schema models/mm.json (did you mean m?)");
      expect(await refused({ schema: "common" })).to.include("there is no schema models/common.json");
      expect(await refused({ name: "a".repeat(300) })).to.include("ENAMETOOLONG");
      expect(await stat(join(folder, "acme.yaml")).catch(() => "none")).to.equal("none");
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("is a command", async () => {
    const folder = await makeFolder({});
    try {
      const args = ["new", "channel", "acme", "--base-url", usual.baseUrl, "--schema", "m"];
      const [made, unlike] = await Promise.all([
        pictor([...args, "--json"], { PICTOR_CHANNELS: folder }),
        pictor([...args, "--like", "nobody"], { PICTOR_CHANNELS: folder }),
      ]);
      expect([made.code, JSON.parse(made.out), made.err]).to.deep.equal([0, { file: join(folder, "acme.yaml") }, ""]);
      expect(await readFile(join(folder, "acme.yaml"), "utf8")).to.include('"acme-1": { schema: m }');
      expect(unlike.code).to.equal(1);
      expect(unlike.err).to.include("Allowed choices are openai, own, task");
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
