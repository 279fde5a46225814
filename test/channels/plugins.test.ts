import { expect } from "chai";
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { loadChannels } from "../../src/channels/load.ts";
import { ConfigError } from "../../src/errors.ts";
import type { Plugin } from "../../src/plugin/define.ts";
import { loadPlugins, shippedPlugins } from "../../src/plugin/load.ts";
import { pictor } from "../cli/commands.ts";
import { channel, lineOf, makeFolder } from "./mistakes.ts";

/** The text of a plugin's file; some parts of it in place of others. */
function pluginText(parts: Record<string, string> = {}): string {
  const all = {
    name: '"mine"',
    summary: '"Do nothing."',
    schema: "{ type: 'object', additionalProperties: false, required: ['a'], properties: { a: {}, b: { default: 1 } } }",
    examples: "[{ a: 1 }]",
    handles: "[]",
    create: "() => (ctx, next) => next()",
    ...parts,
  };
  return `export default {${Object.entries(all)
    .map(([name, code]) => `${name}: ${code}`)
    .join(", ")}};\n`;
}

describe("a folder of plugins", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "pictor-plugins-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** What is wrong with plugins of these files. */
  async function problemsOf(files: Record<string, string>): Promise<string[]> {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    try {
      await loadPlugins([shippedPlugins, folder]);
      return [];
    } catch (error) {
      return (error as ConfigError).problems.map(lineOf).map((line) => line.replaceAll(`${folder}/`, ""));
    }
  }

  it("is loaded beside those that ship, in the order of the names, and nothing else is", async () => {
    await writeFile(join(folder, "mine.js"), pluginText());
    await writeFile(join(folder, "readme.md"), "not a plugin");
    const plugins = await loadPlugins([shippedPlugins, folder]);
    expect([...plugins.keys()].at(-1)).to.equal("mine");
    expect([...plugins.keys()]).to.include.members(["fan-out", "inspect", "passthrough", "response-format", "size-map"]);
  });

  const noPlugin = "the default export is not a plugin; write export default definePlugin({ ... })";
  const broken: [name: string, files: Record<string, string>, expected: (string | RegExp)[]][] = [
    ["no default export", { "mine.js": "export const a = 1;\n" }, [`mine.js:1:1: plugin: ${noPlugin}`]],
    ["a default export of another kind", { "mine.js": "export default null;\n" }, [`mine.js:1:1: plugin: ${noPlugin}`]],
    ...["name", "summary", "schema", "examples", "handles", "create"].map((part): (typeof broken)[number] => [
      `no ${part}`,
      { "mine.js": pluginText({ [part]: "undefined" }) },
      [`mine.js:1:1: plugin: ${noPlugin}`],
    ]),
    [
      "another name than its file's",
      { "my.js": pluginText() },
      ["my.js:1:1: plugin: it calls itself mine; name and file must be the same"],
    ],
    [
      "the name of one that ships",
      { "inspect.js": pluginText({ name: '"inspect"' }) },
      ["inspect.js:1:1: plugin: there is a plugin inspect already; give this one another name"],
    ],
    [
      "an option that every step has",
      { "mine.js": pluginText({ schema: "{ type: 'object', properties: { operation: {} } }" }) },
      ["mine.js:1:1: plugin: every step has the option operation already; give this plugin's another name"],
    ],
    [
      "an example that its schema refuses",
      { "mine.js": pluginText({ examples: "[{ a: 1 }, {}]" }) },
      ["mine.js:1:1: plugin: its schema refuses its own example 2: options must have required property 'a'"],
    ],
    [
      "a schema with a keyword that there is not",
      { "mine.js": pluginText({ schema: "{ type: 'object', propertys: {} }" }) },
      ['mine.js:1:1: plugin: the schema of its options cannot be used: strict mode: unknown keyword: "propertys"'],
    ],
    [
      "a mistake in its syntax",
      { "mine.js": "export default 1;\n\nlet let = 1;\n" },
      [/^mine\.js:1:1: plugin: \S.*; node --check mine\.js shows where$/],
    ],
    ["an error while it is loaded", { "mine.js": 'throw new Error("no luck");\n' }, ["mine.js:1:1: plugin: no luck"]],
    ["something thrown that is no error", { "mine.js": 'throw "nothing";\n' }, ["mine.js:1:1: plugin: nothing"]],
    ["an import that there is not", { "mine.js": 'import "./gone.js";\n' }, [/^mine\.js:1:1: plugin: Cannot find module .*gone\.js/]],
    [
      "several that are broken, all told",
      { "a.js": "throw 1;", "b.js": "export default {};", "mine.js": pluginText() },
      ["a.js:1:1: plugin: 1", `b.js:1:1: plugin: ${noPlugin}`],
    ],
  ];
  for (const [name, files, expected] of broken) {
    it(`is refused: ${name}`, async () => {
      const told = await problemsOf(files);
      expect(told).to.have.length(expected.length);
      for (const [index, line] of expected.entries()) {
        if (typeof line === "string") expect(told[index]).to.equal(line);
        else expect(told[index]).to.match(line);
      }
    });
  }

  it("is refused where it cannot be read, and shown as the operator would type it", async () => {
    const here = join(process.cwd(), "no-such-plugins");
    const error = await loadPlugins([here, join(folder, "gone")]).catch((thrown: unknown) => thrown);
    const problems = (error as ConfigError).problems;
    expect(problems.map(({ file }) => file)).to.deep.equal([relative(process.cwd(), here), join(folder, "gone")]);
    expect(problems[0]?.message).to.match(/^plugin: the folder cannot be read: ENOENT/);
  });

  it("is told what is wrong where a module leaves a promise behind that fails, or is a pipe, and nothing ends or hangs", async () => {
    await writeFile(join(folder, "mine.js"), `Promise.reject(new Error("no licence"));\n${pluginText()}`);
    expect(spawnSync("mkfifo", [join(folder, "pipe.js")]).status).to.equal(0);
    const { code, out, err } = await pictor(["check"], { PICTOR_PLUGINS: folder, PICTOR_CHANNELS: folder });
    expect([code, err]).to.deep.equal([1, ""]);
    expect(out)
      .to.match(/mine\.js:1:1: plugin: a promise that it does not await failed: no licence/)
      .and.match(/pipe\.js:1:1: plugin: it is not a regular file/);
  });

  describe("in channels", () => {
    /** Load the channel with these steps in its pipeline, and this plugin beside those that ship. */
    async function loadWith(steps: string, parts: Record<string, string>, create?: Plugin["create"]) {
      await mkdir(join(folder, "plugins"));
      await writeFile(join(folder, "plugins", "mine.js"), pluginText(parts));
      const plugins = await loadPlugins([shippedPlugins, join(folder, "plugins")]);
      const mine = plugins.get("mine")!;
      if (create) plugins.set("mine", { ...mine, create });
      const channels = await makeFolder({ "x.yaml": channel.replace("  - size-map: { multiple_of: 16 }\n", steps) });
      try {
        return await loadChannels({ folder: channels, plugins, env: {} });
      } finally {
        await rm(channels, { recursive: true });
      }
    }

    for (const [what, create] of [
      ["a promise", () => Promise.reject(new Error("no"))],
      ["something else", () => ({})],
    ] as const)
      it(`is refused where create gives ${what}, and its failure ends nothing`, async () => {
        const error = await loadWith("  - mine: { a: 1 }\n", {}, create as unknown as Plugin["create"]).catch((thrown: unknown) => thrown);
        expect((error as ConfigError).problems.map(({ message }) => message)).to.deep.equal([
          `plugins.mine: create gave ${what}; it must give the step, a function`,
        ]);
        await new Promise((resolve) => setImmediate(resolve));
      });

    it("gets its options checked, with defaults, and its own copy for each model", async () => {
      const seen: unknown[] = [];
      await loadWith("  - mine: { a: { b: 1 } }\n  - mine: { a: 2, b: 3 }\n", {}, (options) => {
        seen.push(structuredClone(options));
        Object.assign(options as object, { a: "changed" });
        return (_, next) => next();
      });
      expect(seen).to.deep.equal([
        { a: { b: 1 }, b: 1 },
        { a: 2, b: 3 },
      ]);
    });

    it("gets its defaults where it is named without options", async () => {
      const seen: unknown[] = [];
      const schema = "{ type: 'object', properties: { b: { default: 1 } } }";
      await loadWith("  - mine\n  - mine:\n", { schema }, (options) => {
        seen.push(options);
        return (_, next) => next();
      });
      expect(seen).to.deep.equal([{ b: 1 }, { b: 1 }]);
    });

    it("is told at its place where an option is missing, or where create throws", async () => {
      const missing = await loadWith("  - inspect\n  - mine\n", {}).catch((thrown: unknown) => thrown);
      expect((missing as ConfigError).problems.map(lineOf).map((line) => line.replace(/^.*\//, ""))).to.deep.equal([
        "x.yaml:7:5: mine: a is missing",
      ]);
      await rm(join(folder, "plugins"), { recursive: true });
      const thrown = await loadWith("  - inspect\n  - mine: { a: 1 }\n", {}, () => {
        throw new Error("a cannot be 1; write 2");
      }).catch((error: unknown) => error);
      expect((thrown as ConfigError).problems.map(lineOf).map((line) => line.replace(/^.*\//, ""))).to.deep.equal([
        "x.yaml:7:11: plugins.mine: a cannot be 1; write 2",
      ]);
    });
  });
});
