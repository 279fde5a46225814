// Reads what the console's page loads: the compiled modules, the library beside them, and the style.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** A file that the page loads, as it is and compressed. */
export interface Asset {
  type: string;
  plain: Buffer;
  gzip: Buffer;
  br: Buffer;
}

/** All that the page loads, by path; `version` is another one where any byte is. */
export interface Assets {
  version: string;
  files: ReadonlyMap<string, Asset>;
}

const folder = fileURLToPath(new URL("../../assets/console/", import.meta.url));

const types: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  mjs: "text/javascript; charset=utf-8",
};

let read: Assets | undefined;

/** The console's assets. They were compressed when they were built, and are read once in a process, when the page is first asked for. */
export function assets(): Assets {
  read ??= readAssets(folder);
  return read;
}

function readAssets(root: string): Assets {
  const files = new Map<string, Asset>();
  const hash = createHash("sha256");
  for (const name of readdirSync(root, { recursive: true, encoding: "utf8" }).sort()) {
    const type = types[name.slice(name.lastIndexOf(".") + 1)];
    if (type === undefined) continue;
    const plain = readFileSync(join(root, name));
    hash.update(`${name}\n`).update(plain);
    files.set(name.replaceAll(sep, "/"), {
      type,
      plain,
      gzip: readFileSync(join(root, `${name}.gz`)),
      br: readFileSync(join(root, `${name}.br`)),
    });
  }
  return { version: hash.digest("hex").slice(0, 16), files };
}
