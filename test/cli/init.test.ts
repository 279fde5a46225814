import { expect } from "chai";
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { parseEnv } from "node:util";
import { askNames, init } from "../../src/cli/init.ts";
import { check } from "../../src/cli/check.ts";
import { environmentNames } from "../../src/process/environment.ts";
import { inProcess } from "./commands.ts";

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "pictor-init-"));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const refused = async (folder: string, ...names: string[]) =>
  init(folder, names).then(
    () => "it was written",
    (error: unknown) => (error as Error).message,
  );

describe("pictor init", () => {
  it("writes keys for this user's eyes, and files that are right", async () => {
    await inFolder(async (folder) => {
      const files = await init(folder, ["openai", "gemini"]);
      const names = [".env", "gateway.yaml", "channels/channel.schema.json", "channels/openai.yaml", "channels/google-gemini.yaml"];
      expect(files).to.deep.equal(names.map((name) => ({ file: join(folder, name), written: true })));
      expect((await stat(join(folder, ".env"))).mode & 0o777).to.equal(0o600);
      const text = await readFile(join(folder, ".env"), "utf8");
      const env = parseEnv(text) as Record<string, string>;
      expect(env).to.have.all.keys("PICTOR_API_KEYS", "PICTOR_ADMIN_KEY");
      expect(env.PICTOR_API_KEYS).to.match(/^sk-[\w-]{32}$/);
      expect(env.PICTOR_ADMIN_KEY).to.match(/^op-[\w-]{32}$/);
      for (const name of [...Object.keys(environmentNames), "OPENAI_API_KEY", "GEMINI_API_KEY"])
        expect(text).to.match(new RegExp(`^(# )?${name}=`, "m"));
      const settings = {
        ...env,
        PICTOR_CHANNELS: `${join(folder, "channels")},shipped`,
        OPENAI_API_KEY: "sk-x",
        PICTOR_START: "strict",
      };
      const { code, out } = await inProcess((say) => check([], {}, settings, say));
      expect([code, out]).to.deep.equal([0, out.replace(/.*\n$/, "no problems\n")]);
      expect((await inProcess((say) => check([join(folder, "gateway.yaml")], {}, settings, say))).code).to.equal(0);
    });
  });

  it("makes other keys each time, and leaves what is there as it is", async () => {
    await inFolder(async (folder) => {
      await writeFile(join(folder, ".env"), "PORT=1\n");
      const [first] = await init(folder, []);
      expect(first).to.deep.equal({ file: join(folder, ".env"), written: false });
      expect(await readFile(join(folder, ".env"), "utf8")).to.equal("PORT=1\n");
      await rm(join(folder, ".env"));
      await init(folder, []);
      const one = await readFile(join(folder, ".env"), "utf8");
      await rm(join(folder, ".env"));
      expect((await init(folder, [])).map(({ written }) => written)).to.deep.equal([true, false, false]);
      expect(await readFile(join(folder, ".env"), "utf8")).to.not.equal(one);
      await rm(join(folder, "channels"), { recursive: true });
      await writeFile(join(folder, "channels"), "");
      expect(await refused(folder)).to.include("EEXIST");
    });
  });

  it("says which channels ship where a name could be several, or none, and writes nothing then", async () => {
    await inFolder(async (folder) => {
      expect(await refused(folder, "openai", "google")).to.equal(
        "several channels ship that google could be; write google-gemini or google-vertex",
      );
      expect(await refused(folder, "opena")).to.equal(
        "no channel opena ships (did you mean openai?); pictor new channel writes one of your own",
      );
      expect(await readdir(folder)).to.deep.equal([]);
    });
  });

  it("asks a person which channels are wanted", async () => {
    const [input, output] = [new PassThrough(), new PassThrough()];
    input.write("openai, gemini\n");
    expect(await askNames(input, output)).to.deep.equal(["openai", "gemini"]);
    expect(String(output.read())).to.include("openai").and.to.include("Enter for none");
  });
});
