// Copies what browsers load and nobody here compiles: the page of the interface's description, and the console's library and style.
import { copyFile, mkdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const assets = fileURLToPath(new URL("../assets/", import.meta.url));
const own = fileURLToPath(new URL("../../src/console/app/", import.meta.url));

/** The file behind a name that modules are imported by. */
const fileOf = (name: string) => fileURLToPath(import.meta.resolve(name));

const swagger = dirname(fileOf("swagger-ui-dist/package.json"));

/** Files and the folders of assets that they go to. */
const copies: [file: string, folder: string][] = [
  [join(swagger, "swagger-ui.css"), "."],
  [join(swagger, "swagger-ui-bundle.js"), "."],
  [join(own, "console.css"), "console"],
  ...["preact", "preact/hooks", "preact/jsx-runtime"].map((name): [string, string] => [fileOf(name), "console"]),
];

for (const [file, folder] of copies) {
  await mkdir(join(assets, folder), { recursive: true });
  await copyFile(file, join(assets, folder, basename(file)));
}
