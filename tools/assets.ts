// Copies what browsers load and nobody here compiles: the page of the interface's description, the console's library and style, and the demo's font. Compresses the console's.
import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";

const assets = fileURLToPath(new URL("../assets/", import.meta.url));
const own = fileURLToPath(new URL("../../src/console/app/", import.meta.url));

/** The file behind a name that modules are imported by. */
const fileOf = (name: string) => fileURLToPath(import.meta.resolve(name));

const swagger = dirname(fileOf("swagger-ui-dist/package.json"));
const fonts = dirname(fileOf("dejavu-fonts-ttf/package.json"));

/** Files and the folders of assets that they go to. */
const copies: [file: string, folder: string][] = [
  [join(swagger, "swagger-ui.css"), "."],
  [join(swagger, "swagger-ui-bundle.js"), "."],
  ...["ttf/DejaVuSans-Bold.ttf", "fontconfig/57-dejavu-sans.conf", "LICENSE"].map((name): [string, string] => [join(fonts, name), "fonts"]),
  [join(own, "console.css"), "console"],
  ...["preact", "preact/hooks", "preact/jsx-runtime"].map((name): [string, string] => [fileOf(name), "console"]),
];

for (const [file, folder] of copies) {
  await mkdir(join(assets, folder), { recursive: true });
  await copyFile(file, join(assets, folder, basename(file)));
}

const page = join(assets, "console");
for (const name of (await readdir(page)).filter((file) => /\.(?:css|m?js)$/.test(file))) {
  const plain = await readFile(join(page, name));
  await writeFile(join(page, `${name}.gz`), gzipSync(plain, { level: 9 }));
  await writeFile(join(page, `${name}.br`), brotliCompressSync(plain));
}
