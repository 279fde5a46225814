import { expect } from "chai";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { loadChannels, type Loaded } from "../../src/channels/load.ts";
import { ConfigError, type Problem } from "../../src/errors.ts";
import { plugins } from "../helpers/channels.ts";

/** A channel in order. Its lines are counted in what the cases expect. */
export const channel = `base_url: https://api.example.com
keys: ["\${env.X_API_KEY}"]
models:
  m:
plugins:
  - size-map: { multiple_of: 16 }
generate:
  request:
    post: /images
    json:
      prompt: \${request.prompt}
      n: \${request.n}
  result:
    images: \${body.data}
    url: \${image.url}
`;

const common = {
  $id: "common.json",
  type: "object",
  properties: { model: {}, prompt: { type: "string" }, n: { type: "integer", default: 1 }, size: {} },
};
const model = { type: "object", allOf: [{ $ref: "common.json" }], unevaluatedProperties: false };

/** A folder of channels with one model \`m\`; these files are laid into it. */
export async function makeFolder(files: Readonly<Record<string, string | undefined>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "pictor-mistakes-"));
  const all: typeof files = { "models/common.json": JSON.stringify(common), "models/m.json": JSON.stringify(model), ...files };
  for (const [name, text] of Object.entries(all)) {
    if (text === undefined) continue;
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return folder;
}

/** Load these files. Throws `ConfigError`. */
export async function load(files: Readonly<Record<string, string | undefined>>, env: Record<string, string> = {}): Promise<Loaded> {
  const folder = await makeFolder(files);
  try {
    return await loadChannels({ folder, plugins, env });
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Everything that is wrong with a folder; paths are shown as if it were \`channels\` in the working directory. */
export async function problemsIn(folder: string, env: Record<string, string> = {}): Promise<Problem[]> {
  try {
    await loadChannels({ folder, plugins, env });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const short = (text: string) => text.replaceAll(folder, "channels");
    return error.problems.map((problem) => ({ ...problem, file: short(problem.file), message: short(problem.message) }));
  }
}

export function lineOf({ file, line, column, message }: Problem): string {
  return `${file}:${line}:${column}: ${message}`;
}

/** One mistake: the channel above with one text in place of another, or whole files, and every problem that it makes. */
export interface Mistake {
  name: string;
  change?: [from: string, to: string];
  files?: Record<string, string>;
  env?: Record<string, string>;
  expected: string[];
}

/** A test for each: every problem is told once, in order, and its frame has the caret below the very column. */
export function eachIsTold(mistakes: readonly Mistake[]): void {
  for (const { name, change, files = {}, env, expected } of mistakes) {
    it(name, async () => {
      if (change) expect(channel).to.include(change[0]);
      const all = { "x.yaml": change ? channel.replace(change[0], () => change[1]) : undefined, ...files };
      const folder = await makeFolder(all);
      try {
        const problems = await problemsIn(folder, env);
        expect(problems.map(lineOf)).to.deep.equal(expected);
        for (const problem of problems) expectFrame(problem, all);
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  }
}

function expectFrame({ file, line, column, frame }: Problem, files: Readonly<Record<string, string | undefined>>): void {
  // A folder, an empty file and a file that cannot be read have nothing to show.
  if (frame === "") return;
  const [before, caret] = frame.split("\n").slice(-2) as [string, string];
  const start = `  ${line} | `;
  expect(before.startsWith(start.trimEnd()) && caret.startsWith(`${" ".repeat(start.length - 2)}| `)).to.equal(true);
  const written =
    files[file.replace("channels/", "")]
      ?.replace("\ufeff", "")
      .split(/\r?\n/)
      [line - 1]?.replaceAll(/[\t\u00a0]/g, " ") ?? "";
  const at = caret.indexOf("^");
  // Secrets are starred, which moves nothing.
  const shown = Array.from(before.slice(at, at + 20));
  expect(shown.every((sign, index) => sign === "*" || sign === written[column - 1 + index])).to.equal(true);
  expect(at - start.length).to.equal(Math.min(column - 1, 119));
}
