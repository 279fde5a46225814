import { expect } from "chai";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { channelFileSchema } from "../../src/channels/grammar.ts";
import { gatewayFileSchema } from "../../src/process/gateway-schema.ts";
import { notBehaviour, numbersIn, numbersTable } from "../../tools/docs/numbers.ts";
import { filesTree } from "../../tools/docs/tree.ts";
import { generate, replaceRegion } from "../../tools/docs/write.ts";
import { examples, exampleScope } from "../../tools/docs/expressions.ts";
import { compileExpression, missing, MissingValue } from "../../src/expression/cel.ts";
import { createAjv } from "../../src/schema/ajv.ts";
import { plugins } from "../helpers/channels.ts";

describe("what the code writes", () => {
  let generated: Map<string, string>;
  before(async () => {
    generated = await generate();
  });

  const pages = [
    "CONTRIBUTING.md",
    "plugins/README.md",
    "docs/operate.md",
    "docs/write-a-model.md",
    "docs/models.md",
    "docs/errors.md",
    "docs/expressions.md",
    "docs/channels.md",
    "docs/doors.md",
    "docs/gateway.md",
    "docs/licences.md",
    "deploy/alerts.yaml",
    "deploy/grafana.json",
    "channels/channel.schema.json",
  ];
  for (const path of pages) {
    it(`is in ${path}`, async () => {
      const written = await readFile(path, "utf8").catch(() => "");
      expect(written === generated.get(path), `${path} is not what the code says: run npm run docs`).to.equal(true);
    });
  }

  it("is in no other file", () => expect([...generated.keys()]).to.have.members(pages));

  it("tells every key of gateway.yaml", () => {
    const told = [...generated.get("docs/gateway.md")!.matchAll(/^\| `(\w+)/gm)].map(([, key = ""]) => key);
    expect(told).to.include.members(Object.keys(gatewayFileSchema.properties));
  });

  it("finds every fixed number of the code, and the reason of those that decide something", async () => {
    const code = `
/** Longest wait, in milliseconds: the client
 * is waiting. */
export const longest = 2 * 30_000;
const pause: Pause = { first: 500, most: 1e3 };
const text = "5";
  const inner = 5;
`;
    expect(numbersIn(code)).to.deep.equal([
      { name: "longest", comment: "Longest wait, in milliseconds: the client is waiting." },
      { name: "pause", comment: "" },
    ]);
    for (const [file, names] of Object.entries(notBehaviour)) {
      const found = numbersIn(await readFile(file, "utf8")).map(({ name }) => name);
      expect(found, `${file} no longer has what tools/docs/numbers.ts lists`).to.include.members([...names]);
    }
    const page = generated.get("docs/operate.md")!;
    expect(page).to.match(
      /^\| Time that an answer of Redis may take +\| 250 ms +\| a client is waiting for it +\| `src\/gateway\/redis-connection.ts` \|$/m,
    );
  });

  it("asks for a reason of each fixed number", async () => {
    const root = await mkdtemp(join(tmpdir(), "pictor-numbers-"));
    try {
      await mkdir(join(root, "src"));
      await writeFile(join(root, "eslint.config.js"), 'const floors = ["errors"];\n');
      await writeFile(join(root, "src/errors.ts"), "const overloadedWait = 5;\n");
      expect(await numbersTable(root).catch(String)).to.include("src/errors.ts: overloadedWait must be exported with a comment");
    } finally {
      await rm(root, { recursive: true });
    }
  });

  it("asks each file for a line that says what it is for", async () => {
    const root = await mkdtemp(join(tmpdir(), "pictor-tree-"));
    try {
      await mkdir(join(root, "src"));
      await mkdir(join(root, "plugins"));
      await writeFile(join(root, "eslint.config.js"), 'const floors = ["errors"];\n');
      await writeFile(join(root, "src/errors.ts"), "// The errors.\n");
      expect(await filesTree(root)).to.equal("- `src/errors.ts`: The errors.");
      await writeFile(join(root, "plugins/fast.ts"), "export {};\n");
      expect(await filesTree(root).catch(String)).to.include("plugins/fast.ts must begin with a line that says what it is for");
    } finally {
      await rm(root, { recursive: true });
    }
  });

  it("replaces a region of a text, and nothing else", () => {
    const text = "a\n<!-- generated: x -->\nold\n<!-- end -->\nb\n<!-- generated: y -->\nold\n<!-- end -->\n";
    expect(replaceRegion(text, "x", "new\n")).to.equal(text.replace("\nold", "\n\nnew\n"));
    expect(() => replaceRegion(text, "z", "")).to.throw("the region <!-- generated: z --> ... <!-- end --> is missing");
    expect(() => replaceRegion("<!-- generated: x -->", "x", "")).to.throw("is missing");
  });
});

describe("the examples of expressions", () => {
  const about = "";
  const names = { place: "examples", variables: { request: { about }, size: { about }, body: { about } } };
  for (const [text, gives] of examples) {
    it(text, () => {
      const evaluate = () => compileExpression(text, names).evaluate(exampleScope);
      if (gives !== undefined) expect(evaluate()).to.deep.equal(gives);
      else if (text.includes(".?")) expect(evaluate()).to.equal(missing);
      else expect(evaluate).to.throw(MissingValue);
    });
  }
});

describe("the schema of channel files for editors", () => {
  it("accepts every channel that ships, as it is written", async () => {
    const validate = createAjv({ allErrors: true }).compile(channelFileSchema(plugins));
    for (const name of (await readdir("channels")).filter((file) => file.endsWith(".yaml"))) {
      expect(validate(parse(await readFile(join("channels", name), "utf8"))), `${name}: ${JSON.stringify(validate.errors)}`).to.equal(true);
    }
  });

  it("asks for what a preset does not give, and lets null delete what it gives", () => {
    const validate = createAjv().compile(channelFileSchema(plugins));
    expect(validate({ models: { m: null } })).to.equal(false);
    expect(validate({ extends: "p", models: { m: { plugins: null, generate: { success: null } } }, keys: null })).to.equal(true);
    expect(validate({ extends: "p", extend: "q" })).to.equal(false);
  });
});
