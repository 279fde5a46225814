import { expect } from "chai";
import fc from "fast-check";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { loadChannels } from "../../src/channels/load.ts";
import { createProblems } from "../../src/channels/problems.ts";
import { readSource } from "../../src/channels/source.ts";
import { ConfigError } from "../../src/errors.ts";
import { channelFolder, plugins } from "../helpers/channels.ts";
import { stopwatch } from "../helpers/turns.ts";
import { runs } from "./runs.ts";

const sources = await Promise.all(
  (await readdir("channels")).filter((name) => name.endsWith(".yaml")).map((name) => readFile(join("channels", name), "utf8")),
);

type Mutation = (lines: string[], at: number, other: number) => void;
const put =
  (text: string): Mutation =>
  (lines, at) =>
    void (lines[at] = `${lines[at]?.match(/^[^:]*: ?/)?.[0] ?? ""}${text}`);
const mutations: Mutation[] = [
  (lines, at) => void lines.splice(at, 1),
  (lines, at) => void lines.splice(at, 0, lines[at]!),
  (lines, at, other) => void ([lines[at], lines[other]] = [lines[other]!, lines[at]!]),
  (lines, at) => void (lines[at] = ` ${lines[at]}`),
  (lines, at) => void (lines[at] = lines[at]!.trimStart()),
  (lines, at) => void (lines[at] = lines[at]!.slice(0, lines[at]!.length / 2)),
  (lines, at) => void lines.splice(at),
  (lines, at) => void (lines[at] = lines[at]!.replace(/[a-z]/, "")),
  ...[
    "",
    "null",
    "~",
    "[]",
    "{}",
    "-1",
    "1e999",
    ".nan",
    "true",
    '"${"',
    "${a.b.c}",
    '"${request.prompt +}"',
    "&a [*a]",
    "*a",
    "!!binary x",
    "!x y",
    "{ <<: x }",
    "? [a]",
    '"\\ud800"',
    "2020-01-01",
    "__proto__",
    "{ __proto__: { a: 1 } }",
    '"${env.X}"',
    "openai-images",
    "http://[",
    "9999999999h",
    "{ constructor: { toString: 1 } }",
    "|",
    "- - -",
    "\t x",
    "\u0000",
  ].map(put),
];
const step = fc.tuple(fc.nat(200), fc.nat(200), fc.constantFrom(...mutations));

describe("any channel file", () => {
  it("loads, or is refused with a place for each problem", async () => {
    const { folder, remove } = await channelFolder({});
    try {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(fc.nat(sources.length - 1), fc.array(step, { minLength: 1, maxLength: 4 })), { minLength: 8, maxLength: 8 }),
          async (files) => {
            const lengths = new Map<string, number>();
            for (const [index, [source, steps]] of files.entries()) {
              const lines = sources[source]!.split("\n");
              for (const [at, other, mutate] of steps) {
                // A file that an earlier step emptied has no line to change.
                if (lines.length > 0) mutate(lines, at % lines.length, other % lines.length);
              }
              lengths.set(`odd-${index}.yaml`, lines.join("") === "" ? 0 : lines.length);
              await writeFile(join(folder, `odd-${index}.yaml`), lines.join("\n"));
            }
            try {
              const { tests } = await loadChannels({ folder, plugins, env: { X: "x", ODD_0_BASE_URL: "http://127.0.0.1:1" } });
              for (const test of tests) test.render({ base_url: "http://x", env: {} });
            } catch (error) {
              if (!(error instanceof ConfigError)) throw error;
              for (const { file, line, column, message, frame } of error.problems) {
                expect(line, message).to.be.within(1, (lengths.get(basename(file)) ?? Infinity) + 1);
                expect(column, message).to.be.at.least(1);
                expect(message).not.to.equal("");
                // Into an empty file there is nothing to point.
                if (lengths.get(basename(file)) !== 0) expect(frame).to.contain("^");
              }
            }
          },
        ),
        { numRuns: runs(2) },
      );
    } finally {
      await remove();
    }
  }).timeout(600_000);

  it("is parsed, or refused with a place, within a second, whatever its bytes are", () => {
    const odd = fc.oneof(
      fc.constantFrom(
        "<<: *a",
        "&a",
        "*a",
        "? ",
        "- ",
        ": ",
        "|",
        ">-",
        "!!map",
        "%YAML 1.1",
        "---",
        "...",
        "\t",
        "\u2028",
        "\0",
        "{",
        "[[[[",
      ),
      fc.string({ unit: "binary", maxLength: 8 }),
    );
    const cut = fc.tuple(fc.nat(sources.length - 1), fc.nat(300), fc.nat(12)).map(([index, from, length]) => {
      const lines = sources[index]!.split("\n");
      return lines.slice(from % lines.length, (from % lines.length) + length).join("\n");
    });
    const encodings = fc.constantFrom<BufferEncoding>("utf8", "utf8", "utf8", "utf8", "latin1", "utf16le");
    fc.assert(
      fc.property(cut, fc.array(fc.tuple(fc.nat(600), odd), { maxLength: 3 }), encodings, fc.boolean(), (text, edits, encoding, json) => {
        const edited = edits.reduce(
          (before, [at, put]) => before.slice(0, at % (before.length + 1)) + put + before.slice(at % (before.length + 1)),
          text,
        );
        const problems = createProblems();
        const bytes = Buffer.from(edited, encoding);
        const took = stopwatch();
        const located = readSource(json ? "x.json" : "x.yaml", bytes, problems);
        expect(took()).to.be.below(1000);
        const told = problems.list();
        expect(told.length > 0, "what is not read is told").to.equal(located === undefined);
        for (const { line, column, message } of told) {
          // A file is read as UTF-8, where half of a character of another encoding may be the end of a line.
          expect(line).to.be.within(1, bytes.toString().split("\n").length + 1);
          expect(column).to.be.at.least(1);
          expect(message).not.to.match(/undefined|\[object|TypeError/);
        }
      }),
      { numRuns: runs(500) },
    );
  }).timeout(600_000);
});
