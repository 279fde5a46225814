import { expect } from "chai";
import { access, readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parse } from "yaml";
import { channelFileSchema } from "../../src/channels/grammar.ts";
import { proofs } from "../../src/dialect/failure.ts";
import { directiveHelp } from "../../src/expression/directives.ts";
import { runChannelTests } from "../../src/testing/run.ts";
import { channelFolder, plugins } from "../helpers/channels.ts";

const coverage = "test/docs/grammar-coverage.md";
const shown = (await readdir("docs")).filter((name) => name.endsWith(".md")).map((name) => join("docs", name));
const pages = ["README.md", "plugins/README.md", "CONTRIBUTING.md", "bench/README.md", coverage, ...shown];
const texts = new Map(await Promise.all(pages.map(async (page) => [page, await readFile(page, "utf8")] as const)));

/** The blocks of a page's YAML that are whole files of channels or doors. */
function filesOf(page: string): string[] {
  const blocks = [...texts.get(page)!.matchAll(/^```yaml\n([^]*?)^```$/gm)].map(([, text = ""]) => text);
  return blocks.filter((text) => /^description:/m.test(text) && /^(?:models|routes):/m.test(text));
}

describe("the pages", () => {
  it("link to files that are there, and to sections that are", async () => {
    const links = [...texts].flatMap(([page, text]) =>
      [...text.matchAll(/\]\((?!https?:)([^)#]*)(#[^)]*)?\)/g)].map(([, to = "", section]) => ({ page, to, section })),
    );
    expect(links).to.have.length.above(10);
    for (const { page, to, section } of links) {
      const path = to === "" ? page : join(dirname(page), to);
      await access(path);
      if (section === undefined) continue;
      const headings = [...texts.get(path)!.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => heading.toLowerCase().replaceAll(" ", "-"));
      expect(headings, `${page}: ${to}${section}`).to.include(section.slice(1));
    }
  });
});

describe("the README", () => {
  it("counts the channels that ship, beside the demo", async () => {
    const files = (await readdir("channels")).filter((name) => name.endsWith(".yaml") && name !== "demo.yaml");
    expect(texts.get("README.md")).to.include(`[${files.length} channels](docs/models.md) ship`);
  });
});

describe("the package", () => {
  it("holds what its pages link to", async () => {
    const { files } = JSON.parse(await readFile("package.json", "utf8")) as { files: string[] };
    const packed = ["README.md", "LICENSE", "package.json", ...files];
    const isPacked = (path: string) => packed.some((entry) => path === entry || path.startsWith(`${entry}/`));
    for (const [page, text] of texts) {
      if (!isPacked(page)) continue;
      for (const [, to = ""] of text.matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)) {
        const path = join(dirname(page), to);
        expect(isPacked(path), `${page} links to ${path}, which package.json leaves out`).to.equal(true);
      }
    }
  });
});

describe("the page for operators", () => {
  it("lists every status after which another channel is asked", () => {
    const [, list = ""] = /the answer was ([\d, or]+)/.exec(texts.get("docs/operate.md")!) ?? [];
    expect(list.match(/\d+/g)?.map(Number)).to.have.members([...proofs]);
  });
});

describe("the walk-through", () => {
  for (const [page, name, count] of [
    ["docs/write-a-channel.md", "lumen.yaml", 2],
    ["docs/write-a-door.md", "doors/easel.yaml", 2],
  ] as const)
    it(`of ${page} is one file of at most sixty lines whose tests pass`, async () => {
      const [file = "", ...others] = filesOf(page);
      expect(others).to.deep.equal([]);
      expect(file.trim().split("\n")).to.have.length.at.most(60);
      const { folder, remove } = await channelFolder({ [name]: file });
      try {
        const outcomes = await runChannelTests(folder, plugins);
        expect(outcomes).to.have.length(count);
        for (const { name: test, failures } of outcomes) expect(failures, test).to.deep.equal([]);
      } finally {
        await remove();
      }
    });
});

describe("the page of channel files", () => {
  it("tells every key of the schema and every directive, each with its meaning", () => {
    const page = texts.get("docs/channels.md")!;
    for (const name of Object.keys(directiveHelp)) expect(page).to.include(`| \`${name}\``);
    const rows = [...page.matchAll(/^\| `([^`]+)`.*$/gm)].map(([line, key = ""]) => ({ line, key: key.split(/\.(?!\.)/).at(-1)! }));
    // A mark that any map may have is described once, above the tables.
    expect(page).to.include("`$replace: true`");
    const told = new Set(["$replace", ...rows.map(({ key }) => key)]);
    const visit = (schema: unknown, path: string): void => {
      const { properties = {}, items, additionalProperties, else: other } = schema as Record<string, Record<string, unknown> | undefined>;
      // Plugins have a page of their own.
      if (path.endsWith(".plugins")) return;
      for (const [name, part] of Object.entries(properties)) {
        expect(told.has(name), `${path}.${name} is not told`).to.equal(true);
        visit(part, `${path}.${name}`);
      }
      for (const part of [items, additionalProperties, other]) if (typeof part === "object") visit(part, path);
    };
    visit(channelFileSchema(plugins), "file");
  });
});

describe("the table of what the grammar covers", () => {
  const rows = [...(texts.get(coverage) ?? "").matchAll(/^\| (\d+|[a-z]) +\|(.*)\|$/gm)].map(([, point = "", rest = ""]) => ({
    point,
    cells: rest.split(/(?<!\\)\|/).map((cell) => cell.trim()),
  }));

  it("has every point, in order", () =>
    expect(rows.map(({ point }) => point)).to.deep.equal([
      ...Array.from({ length: 40 }, (_, index) => String(index + 1)),
      ..."abcdefghijklmnopqrstuvwxyz".split(""),
    ]));

  it("names a file that uses the keyword, and a test in it", async () => {
    for (const { point, cells } of rows) {
      const [about = "", , where = "", test = ""] = cells;
      expect(about, point).not.to.equal("");
      const link = /\]\(([^)]+)\)/.exec(where)?.[1];
      if (link === undefined) {
        expect(test, `${point} is left out and does not say why`).not.to.equal("");
        continue;
      }
      const path = join(dirname(coverage), link);
      const text = await readFile(path, "utf8");
      if (!path.endsWith(".yaml")) {
        expect(text, point).to.include(test);
        continue;
      }
      const own = await readFile(path.replace("channels/", "channels/tests/"), "utf8").catch(() => text);
      const { tests } = parse(own) as { tests: { name: string }[] };
      expect(
        tests.map(({ name }) => name),
        `${point}: ${path}`,
      ).to.include(test);
    }
  });
});
