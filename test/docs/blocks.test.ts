// Every block of code in the documentation is run, or judged by what reads such a thing.
import { expect } from "chai";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import sharp from "sharp";
import { check, test } from "../../src/cli/check.ts";
import { serve } from "../../src/process/serve.ts";
import { freePort } from "../helpers/port.ts";
import { blocksOf, runShell, type Block } from "./blocks.ts";
import { judgeAnswer, judgeJson, judgeYaml } from "./data-blocks.ts";

const withBlocks = [
  "README.md",
  "docs/client.md",
  "docs/gateway.md",
  "docs/operate.md",
  "docs/write-a-channel.md",
  "docs/write-a-door.md",
  "docs/write-a-model.md",
  "docs/write-a-plugin.md",
  "plugins/README.md",
  "bench/README.md",
];
const withoutBlocks = [
  "CONTRIBUTING.md",
  "docs/channels.md",
  "docs/doors.md",
  "docs/errors.md",
  "docs/expressions.md",
  "docs/licences.md",
  "docs/models.md",
];

const keys = { PICTOR_API_KEYS: "my-client-key", PICTOR_ADMIN_KEY: "my-admin-key" };

/** A folder as an operator's is: channels, of those that ship only the demo, and what a client has at hand. */
async function folderFor(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "pictor-pages-"));
  const shared = [...["common", "demo", "gpt-image-2.6"].map((model) => `models/${model}.json`), "presets/openai-images.yaml"];
  for (const name of shared) await cp(join("channels", name), join(folder, "channels", name));
  const demo = await readFile("channels/demo.yaml", "utf8");
  await writeFile(join(folder, "channels/demo.yaml"), demo.replace("models:\n", "models:\n  gpt-image-2.6-flare: { schema: demo }\n"));
  for (const [name, alpha] of Object.entries({ lighthouse: 1, mask: 0 })) {
    const create = { width: 256, height: 256, channels: 4 as const, background: { r: 90, g: 120, b: 200, alpha } };
    await sharp({ create })
      .png()
      .toFile(join(folder, `${name}.png`));
  }
  await mkdir(join(folder, "node_modules"));
  await symlink(resolve("."), join(folder, "node_modules/pictor"));
  await symlink(resolve("node_modules/openai"), join(folder, "node_modules/openai"));
  return folder;
}

/** Run the blocks of a page one after the other. */
async function runPage(blocks: readonly Block[], { url, folder }: { url: string; folder: string }): Promise<void> {
  const env = { PICTOR_CHANNELS: join(folder, "channels") };
  const port = String(await freePort());
  let answer: string | undefined;
  for (const [index, { language, code, place, file }] of blocks.entries()) {
    const before = answer;
    answer = undefined;
    if (file !== undefined) {
      await mkdir(dirname(join(folder, file)), { recursive: true });
      await writeFile(join(folder, file), code);
    } else if (language === "sh") {
      const next = blocks[index + 1];
      const isRefused = next?.language === "json" && next.code.includes('"error"');
      const ended = await runShell(code.replaceAll("8090", port), { cwd: folder, url, env });
      expect(ended.code, `${place}\n${ended.out}${ended.err}`).to.equal(isRefused ? 22 : 0);
      expect(ended.out, place).not.to.match(/^event: (error|.*failed)/m);
      if (ended.out.startsWith("event:")) expect(ended.out, place).to.match(/^event: .*completed$/m);
      if (code.includes("curl ")) answer = ended.out;
    } else if (language === "yaml") await judgeYaml(code, folder);
    else if (language === "json" && before) judgeAnswer(JSON.parse(code), JSON.parse(before), place);
    else if (language === "json") await judgeJson(code, place);
    else if (language === "js" || language === "ts") {
      const script = join(folder, `block-${index}.mjs`);
      const imports = code.includes("new OpenAI(") ? 'import OpenAI from "openai";\n' : "";
      // Other blocks import the library too, so that it is loaded once here; what they print is for their readers.
      const quiet = "const console = { ...globalThis.console, log: () => undefined };\n";
      await writeFile(script, imports + quiet + code.replaceAll("http://127.0.0.1:8080", url));
      const late = delay(20_000, undefined, { ref: false }).then(() => expect.fail(`${place}: it takes more than 20 s`));
      await Promise.race([import(pathToFileURL(script).href), late]);
    } else expect.fail(`${place}: no test runs blocks of the language "${language}"`);
  }
}

describe("the blocks of code in", () => {
  let url: string;
  let close: () => Promise<void>;
  let served: string;
  before(async () => {
    served = await folderFor();
    const webhook = '{ name: orders, url: "http://127.0.0.1:9", secret: "${env.HOOK_SECRET}", private_url: true }';
    await writeFile(join(served, "gateway.yaml"), `webhooks: [${webhook}]\n`);
    const HOOK_SECRET = `whsec_${Buffer.alloc(32).toString("base64")}`;
    const env = {
      HOOK_SECRET,
      PORT: "0",
      LOG_LEVEL: "silent",
      PICTOR_CHANNELS: join(served, "channels"),
      PICTOR_DATA: join(served, "data"),
      ...keys,
    };
    ({ url, close } = await serve(env, () => undefined));
  });
  after(async () => {
    await close();
    await rm(served, { recursive: true });
  });

  it("are of every page", async () => {
    const pages = (await readdir("docs")).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`);
    expect([...withBlocks, ...withoutBlocks]).to.have.members([
      "README.md",
      "CONTRIBUTING.md",
      "plugins/README.md",
      "bench/README.md",
      ...pages,
    ]);
    for (const page of withoutBlocks) expect(await readFile(page, "utf8"), page).not.to.include("```");
  });

  for (const page of withBlocks)
    it(`${page} work, each as it stands there`, async () => {
      const folder = await folderFor();
      const said: string[] = [];
      try {
        const blocks = blocksOf(page, await readFile(page, "utf8"));
        expect(blocks).not.to.deep.equal([]);
        await runPage(blocks, { url, folder });
        const env = { PICTOR_CHANNELS: join(folder, "channels"), PICTOR_PLUGINS: join(folder, "plugins") };
        await mkdir(env.PICTOR_PLUGINS, { recursive: true });
        for (const command of [check, test])
          expect(await command([], {}, env, (line) => void said.push(line)), said.join("\n")).to.equal(0);
      } finally {
        await rm(folder, { recursive: true });
      }
    });
});
