// The page of the licences of what the package installs.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { table } from "./table.ts";

interface Locked {
  packages: Record<string, { version?: string; license?: string; dev?: boolean; optional?: boolean; devOptional?: boolean }>;
}

export interface Licensed {
  name: string;
  version: string;
  /** As SPDX has it; none where the package does not say. */
  license: string | undefined;
  /** True for a build for one platform, of which at most one is installed. */
  optional: boolean;
}

/** Every package that an installation can bring, of all platforms, by name. */
export async function licensed(root: string): Promise<Licensed[]> {
  const { packages } = JSON.parse(await readFile(join(root, "package-lock.json"), "utf8")) as Locked;
  return Object.entries(packages)
    .filter(([path, { dev, devOptional }]) => path !== "" && !dev && !devOptional)
    .map(([path, { version = "", license, optional = false }]) => ({
      name: path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length),
      version,
      license,
      optional,
    }))
    .sort((a, b) => `${a.name}@${a.version}`.localeCompare(`${b.name}@${b.version}`, "en"));
}

/** The page: what the package installs, and what is copied into it. */
export async function licencesPage(root: string): Promise<string> {
  const all = await licensed(root);
  const { devDependencies } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { devDependencies: Record<string, string> };
  return [
    "# Licences",
    "Pictor is under the [MIT licence](../LICENSE). Its package installs these; `npm sbom --omit=dev --sbom-format cyclonedx` says the same for machines. Of those that are for one platform, one is installed at most.",
    table(
      ["Package", "Version", "Licence", "For one platform"],
      all.map(({ name, version, license = "", optional }) => [`\`${name}\``, version, license, optional ? "yes" : ""]),
    ),
    "## Copied into the package",
    "These are copied into `dist/assets` when the package is built, for browsers and for the demo's letters.",
    table(
      ["Package", "Version", "Licence", "What"],
      copied.map(({ name, license, what }) => [`\`${name}\``, devDependencies[name] ?? "", license, what]),
    ),
  ].join("\n\n");
}

/** What tools/assets.ts copies. */
export const copied = [
  { name: "dejavu-fonts-ttf", license: "Bitstream-Vera AND public domain", what: "one font, for the letters of the demo model" },
  { name: "preact", license: "MIT", what: "the library of the console" },
  { name: "swagger-ui-dist", license: "Apache-2.0", what: "the page of the interface's description" },
];
