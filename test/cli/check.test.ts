import { expect } from "chai";
import { spawn } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { check, test } from "../../src/cli/check.ts";
import { channel, makeFolder } from "../channels/mistakes.ts";
import { pictor, type Ended } from "./commands.ts";

/** Run `pictor` with these arguments within this process, which is much faster. */
async function run([command, ...args]: string[], env: Record<string, string> = {}): Promise<Ended> {
  const lines: string[] = [];
  const say = (line: string) => void lines.push(`${stripVTControlCharacters(line)}\n`);
  const files = args.filter((arg) => arg !== "--json");
  try {
    const code = await (command === "check" ? check : test)(files, { json: files.length < args.length }, env, say);
    return { code, out: lines.join(""), err: "" };
  } catch (error) {
    return { code: 1, out: lines.join(""), err: `${(error as Error).message}\n` };
  }
}

const testing = (answer: string) => `tests:
  - name: a picture comes back
    request: { model: m, prompt: a cat }
    exchange:
      - expect: { post: /images, headers: { authorization: "Bearer env:X_API_KEY" }, json: { prompt: a cat, n: 1 } }
        reply: { json: { data: [{ url: "\${base_url}/1.png" }] } }
    answer: ${answer}
`;
const passing = channel + testing('{ status: 200, json: { data: [{ url: "http*/1.png" }] } }');
const failing = channel.replace("n: ${request.n}", "count: ${request.n}") + testing("{ status: 200 }");

describe("pictor check", function () {
  let folder: string;
  let right: string;
  const env = () => ({ PICTOR_CHANNELS: folder });
  const file = (name: string) => relative(process.cwd(), join(folder, name));
  before(async () => {
    folder = await makeFolder({ "x.yaml": channel, "y.yaml": channel.replace("  m:\n", "  m: { priority: high }\n") });
    right = await makeFolder({ "x.yaml": channel });
  });
  after(async () => {
    for (const made of [folder, right]) await rm(made, { recursive: true });
  });

  it("says that the channels that ship are in order", async () => {
    expect(await pictor(["check"])).to.deep.equal({ code: 0, out: "no problems\n", err: "" });
  });

  it("tells every problem with its frame and ends with 1, without colours in a pipe, whatever CI is set to", async () => {
    expect(await pictor(["check"], { ...env(), CI: "true" })).to.deep.equal({
      code: 1,
      out: `${join(folder, "y.yaml")}:4:18: models.m.priority: must be a whole number or empty, not "high"
  3 | models:
  4 |   m: { priority: high }
    |                  ^
1 problem
`,
      err: "",
    });
  });

  it("tells them as one JSON document", async () => {
    const { code, out } = await run(["check", "--json"], env());
    expect(code).to.equal(1);
    const { problems } = JSON.parse(out) as { problems: Record<string, unknown>[] };
    expect(problems).to.have.length(1);
    expect(problems[0]).to.have.all.keys("file", "line", "column", "message", "frame");
    expect(problems[0]).to.include({ line: 4, column: 18 });
    expect(JSON.parse((await run(["check", "--json"], { PICTOR_CHANNELS: right })).out)).to.deep.equal({
      problems: [],
      warnings: [],
      unpriced: [],
    });
  });

  it("takes files, and channels by name, and says what is wrong elsewhere", async () => {
    for (const name of [file("x.yaml"), join(folder, "x.yaml"), "x"])
      expect(await run(["check", name], env())).to.deep.equal({
        code: 0,
        out: "without a price: x (m)\nno problems; 1 problem in other files\n",
        err: "",
      });
    expect((await run(["check", "y"], env())).out).to.match(/y\.yaml:4:18: .*\n1 problem\n$/s);
    expect((await run(["check", file("models/m.json")], env())).code).to.equal(0);
    expect((await run(["check", "x", "--json"], env())).out).to.equal(
      '{\n  "problems": [],\n  "warnings": [],\n  "unpriced": [\n    {\n      "channel": "x",\n      "models": [\n        "m"\n      ]\n    }\n  ]\n}\n',
    );
  });

  it("tells with a channel what its preset and its models' schemas have wrong", async () => {
    const other = await makeFolder({
      "x.yaml": `extends: one\n${channel}`,
      "y.yaml": channel,
      "z.yaml": channel.replace("  m:", "  n:"),
      "presets/one.yaml": "partial: maybe\n",
      "presets/two.yaml": "a: [\n",
      "models/n.json": "{",
    });
    const told = async (name: string) => (await run(["check", name], { PICTOR_CHANNELS: other })).out.replaceAll(other, "").split("\n");
    try {
      const x = await told("x");
      expect([x[0]!.slice(0, 31), x.at(-2)]).to.deep.equal(["/presets/one.yaml:1:10: partial", "1 problem; 2 problems in other files"]);
      expect((await told("y")).at(-2)).to.equal("no problems; 3 problems in other files");
      expect((await told("z"))[0]).to.match(/^\/models\/n\.json:1:2: not JSON/);
      expect((await told("two")).at(-2)).to.match(/^1 problem;/);
      expect((await run(["test", "y"], { PICTOR_CHANNELS: other })).out).to.equal("0 passed, 0 failed\n");
    } finally {
      await rm(other, { recursive: true });
    }
  });

  it("ends in peace where nobody reads on", async () => {
    const child = spawn(process.execPath, ["dist/src/main.js", "check"], { env: env() });
    child.stdout.destroy();
    let err = "";
    child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    const code = await new Promise((resolve) => child.on("close", resolve));
    expect([code, err]).to.deep.equal([0, ""]);
  });

  it("refuses a file that is not there", async () => {
    const { code, out, err } = await run(["check", "yy"], env());
    expect([code, out]).to.deep.equal([1, ""]);
    expect(err).to.equal(`yy is not in ${folder} (did you mean y?)\n`);
  });

  it("tells a plugin that cannot be loaded", async () => {
    await mkdir(join(folder, "plugins"));
    await writeFile(join(folder, "plugins", "mine.js"), "throw new Error('no luck');\n");
    const { code, out } = await run(["check"], { ...env(), PICTOR_PLUGINS: join(folder, "plugins") });
    await rm(join(folder, "plugins"), { recursive: true });
    expect([code, out]).to.deep.equal([1, `${join(folder, "plugins", "mine.js")}:1:1: plugin: no luck\n1 problem\n`]);
  });

  it("tells a setting of the process that is wrong", async () => {
    expect(await pictor(["check"], { PORT: "many" })).to.deep.include({ code: 1, out: "" });
  });
});

describe("pictor test", () => {
  let folder: string;
  const env = () => ({ PICTOR_CHANNELS: folder });
  before(async () => {
    folder = await makeFolder({ "x.yaml": passing, "y.yaml": failing, "z.yaml": channel });
  });
  after(() => rm(folder, { recursive: true }));

  it("runs the tests of one channel, by file or name", async () => {
    for (const name of [join(folder, "x.yaml"), "x"])
      expect(await run(["test", name], env())).to.deep.equal({
        code: 0,
        out: "ok   x: a picture comes back\n1 passed, 0 failed\n",
        err: "",
      });
    expect((await run(["test", "z"], env())).out).to.equal("0 passed, 0 failed\n");
    expect(await run(["test", "m"], env())).to.deep.include({ code: 1, out: "" });
  });

  it("says what was otherwise than a test says, and ends with 1", async () => {
    const { code, out } = await pictor(["test"], env());
    expect(code).to.equal(1);
    const lines = out.split("\n");
    expect(lines[0]).to.equal("ok   x: a picture comes back");
    expect(lines[1]).to.equal("fail y: a picture comes back");
    expect(lines[2]).to.match(/^ {7}unexpected call POST \/images: .*json\.count is 1, expected .*; json\.n is .*, expected 1/);
    expect(lines.at(-2)).to.equal("1 passed, 1 failed");
  });

  it("answers with one JSON document", async () => {
    const { code, out } = await run(["test", "--json"], env());
    expect(code).to.equal(1);
    const { problems, tests } = JSON.parse(out) as { problems: unknown[]; tests: { channel: string; failures: string[] }[] };
    expect(problems).to.deep.equal([]);
    expect(tests.map((outcome) => [outcome.channel, outcome.failures.length > 0])).to.deep.equal([
      ["x", false],
      ["y", true],
    ]);
    expect(tests[0]).to.have.all.keys("channel", "file", "line", "name", "failures");
  });

  it("tells what is wrong with the files before any test is run", async () => {
    const broken = await makeFolder({ "x.yaml": passing.replace("body.data", "bdy.data") });
    try {
      const { code, out, err } = await run(["test"], { PICTOR_CHANNELS: broken });
      expect([code, err]).to.deep.equal([1, ""]);
      expect(out).to.match(/x\.yaml:14:15: generate\.result\.images: unknown name bdy .*\n1 problem; no test was run\n$/s);
      const document = JSON.parse((await run(["test", "--json"], { PICTOR_CHANNELS: broken })).out) as Record<string, unknown[]>;
      expect(document.problems).to.have.length(1);
      expect(document.tests).to.deep.equal([]);
    } finally {
      await rm(broken, { recursive: true });
    }
  });

  it("needs no secret's file", async () => {
    const text = passing.replace('"${env.X_API_KEY}"', "'${file(\"/run/secrets/x\")}'").replace("env:X_API_KEY", "file:/run/secrets/x");
    const secret = await makeFolder({ "x.yaml": text });
    try {
      expect((await run(["test"], { PICTOR_CHANNELS: secret })).out).to.equal("ok   x: a picture comes back\n1 passed, 0 failed\n");
    } finally {
      await rm(secret, { recursive: true });
    }
  });
});

describe("pictor", () => {
  it("answers --help, for each command too, and --version", async () => {
    const commands = [["--help"], ["check", "--help"], ["test", "--help"]];
    for (const { code, out, err } of await Promise.all(commands.map((args) => pictor(args)))) {
      expect([code, err]).to.deep.equal([0, ""]);
      expect(out).to.match(/^Usage: pictor/);
    }
    expect((await pictor(["--version"])).out).to.match(/^\d+\.\d+\.\d+\n$/);
  });

  it("refuses a command and an option that it does not know, and shows the help", async () => {
    for (const [args, said] of [
      [["chek"], /unknown command 'chek'/],
      [["check", "--jason"], /unknown option '--jason'/],
    ] as const) {
      const { code, out, err } = await pictor([...args]);
      expect([code, out]).to.deep.equal([1, ""]);
      expect(err)
        .to.match(said)
        .and.match(/Usage: pictor/);
    }
  });
});
