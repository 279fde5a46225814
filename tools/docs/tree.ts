// The tree of files for CONTRIBUTING.md, from the line that each file begins with.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** The files of src/, floor by floor from the lowest, and of plugins/, each with its first line. Throws an Error for a file without one. */
export async function filesTree(root: string): Promise<string> {
  const files = [...(await sourceFiles(root)), ...(await filesOf(root, "plugins"))];
  const lines = await Promise.all(files.map(async (file) => `- \`${file}\`: ${await firstLine(join(root, file))}`));
  return lines.join("\n");
}

/** The files of src/, floor by floor from the lowest. */
export async function sourceFiles(root: string): Promise<string[]> {
  const lint = await readFile(join(root, "eslint.config.js"), "utf8");
  const [, list = ""] = /^const floors = \[([^\]]*)\]/m.exec(lint) ?? [];
  const floors = [...list.matchAll(/"(\w+)"/g)].map(([, floor = ""]) => `src/${floor}`);
  const files = await filesOf(root, "src");
  return floors.flatMap((floor) => files.filter((file) => file === `${floor}.ts` || file.startsWith(`${floor}/`)));
}

async function filesOf(root: string, folder: string): Promise<string[]> {
  const names = await readdir(join(root, folder), { recursive: true });
  return names
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => `${folder}/${name}`)
    .sort();
}

async function firstLine(path: string): Promise<string> {
  const [, line] = /^(?:#!.*\n)?\/\/ (.*)/.exec(await readFile(path, "utf8")) ?? [];
  if (line === undefined) throw new Error(`${path} must begin with a line that says what it is for`);
  return line;
}
