// The page about plugins: its plugin is loaded and its channel's test passes.
import { expect } from "chai";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadPlugins, shippedPlugins } from "../../src/plugin/load.ts";
import { runChannelTests } from "../../src/testing/run.ts";
import { channelFolder } from "../helpers/channels.ts";

/** Where the built file is that the package shows under a name. */
async function shown(name: string): Promise<string> {
  const { exports } = JSON.parse(await readFile("package.json", "utf8")) as { exports: Record<string, string> };
  return new URL(`../../../${exports[`./${name}`]}`, import.meta.url).href;
}

describe("the page about plugins", () => {
  it("tells every part of the context", async () => {
    const page = await readFile("docs/write-a-plugin.md", "utf8");
    const [, context = ""] = /^export interface PluginContext \{\n([^]*?)^\}$/m.exec(await readFile("src/plugin/context.ts", "utf8")) ?? [];
    const names = [...context.matchAll(/^ {2}(?:readonly )?(\w+)\??[:(]/gm)].map(([, name = ""]) => name);
    expect(names).to.have.length.above(10);
    for (const name of names) expect(page).to.match(new RegExp(`\\bctx\\.${name}\\b`));
  });

  it("has a plugin that loads, a channel whose test passes, and errors that can be thrown", async () => {
    const page = await readFile("docs/write-a-plugin.md", "utf8");
    const blocks = (language: string) =>
      [...page.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "gm"))].map(([, text = ""]) => text);
    const [plugin = "", errors = ""] = await Promise.all(
      blocks("js").map(async (text) =>
        text
          .replace('"pictor/plugin"', JSON.stringify(await shown("plugin")))
          .replace('"pictor/errors"', JSON.stringify(await shown("errors"))),
      ),
    );
    const [channel = ""] = blocks("yaml");
    const folder = await mkdtemp(join(tmpdir(), "pictor-plugins-"));
    const channels = await channelFolder({ "acme.yaml": channel });
    try {
      await writeFile(join(folder, "package.json"), '{ "type": "module" }');
      await writeFile(join(folder, "prompt-suffix.js"), plugin);
      const outcomes = await runChannelTests(channels.folder, await loadPlugins([shippedPlugins, folder]));
      expect(outcomes.map(({ failures }) => failures)).to.deep.equal([[]]);
      await writeFile(join(folder, "errors.mjs"), errors);
      const { tooLong } = (await import(join(folder, "errors.mjs"))) as { tooLong: (limit: number) => Error };
      expect(tooLong(5)).to.include({ code: "string_above_max_length", param: "prompt" });
    } finally {
      await channels.remove();
      await rm(folder, { recursive: true });
    }
  });
});
