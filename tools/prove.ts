// Writes down which of the channels that ship are right, and the validators of files, so that no start judges or compiles them again.
import { createHash } from "node:crypto";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { provenFile } from "../src/channels/proven.ts";
import { shippedPlugins } from "../src/plugin/load.ts";
import { shippedChannels } from "../src/process/environment.ts";
import { writtenFolder } from "../src/schema/written.ts";
import { prove } from "./judged.ts";
import { fileSchemas, writeValidators } from "./validators.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** A digest of all that the judgement rests on: what is compiled, the libraries, and the files themselves. */
async function stampOf(): Promise<string> {
  const hash = createHash("sha256");
  for (const folder of [join(root, "dist/src"), shippedPlugins, shippedChannels]) {
    const names = await readdir(folder, { recursive: true });
    for (const name of names.filter((file) => /\.(js|ya?ml|json)$/.test(file)).sort())
      hash.update(`${name}\n`).update(await readFile(join(folder, name)));
  }
  return hash.update(await readFile(join(root, "package.json"))).digest("hex");
}

const stamp = await stampOf();
const before = await readFile(provenFile, "utf8").catch(() => "{}");
if ((JSON.parse(before) as { stamp?: string }).stamp !== stamp) {
  await writeValidators(await fileSchemas(), writtenFolder);
  await writeFile(provenFile, JSON.stringify({ stamp, ...(await prove(shippedChannels)) }));
}
