// The tree of files for CONTRIBUTING.md, from the line that each file begins with.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** The files of src/, floor by floor from the lowest, and of plugins/, each with its first line. Throws an Error for a file without one. */
export async function filesTree(root: string): Promise<string> {
  const lint = await readFile(join(root, "eslint.config.js"), "utf8");
  const [, list = ""] = /^const floors = \[([^\]]*)\]/m.exec(lint) ?? [];
  const floors = [...list.matchAll(/"(\w+)"/g)].map(([, floor = ""]) => `src/${floor}`);
  const known = [...(await filesOf(root, "src")), ...(await filesOf(root, "plugins"))];
  const sections = await Promise.all(
    [...floors, "plugins"].map(async (floor) => {
      const files = known.filter((file) => file === `${floor}.ts` || file.startsWith(`${floor}/`));
      const lines = await Promise.all(files.map(async (file) => [file, await firstLine(join(root, file))] as const));
      return lines.map(([file, about]) => `- \`${file}\`: ${about}`).join("\n");
    }),
  );
  return sections.filter((section) => section !== "").join("\n");
}

async function filesOf(root: string, folder: string): Promise<string[]> {
  const names = await readdir(join(root, folder), { recursive: true });
  return names
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `${folder}/${name}`)
    .sort();
}

async function firstLine(path: string): Promise<string> {
  const [, line] = /^(?:#!.*\n)?\/\/ (.*)/.exec(await readFile(path, "utf8")) ?? [];
  if (line === undefined) throw new Error(`${path} must begin with a line that says what it is for`);
  return line;
}
