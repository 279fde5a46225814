import { readdir, readFile } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import { didYouMean } from "../schema/suggest.ts";
import { overlay, readSource, type Located, type Problems } from "./source.ts";

/** A channel file with its presets below it. */
export interface ChannelFile {
  name: string;
  file: string;
  located: Located;
}

/** A model's schema file, as parsed. */
export interface SchemaFile {
  name: string;
  located: Located;
}

export interface Files {
  channels: ChannelFile[];
  schemas: Map<string, SchemaFile>;
}

/** Read a folder of channels with its `presets` and `models`. Only files that parse are returned; the rest is in `problems`. */
export async function readFiles(folder: string, problems: Problems): Promise<Files> {
  const read = async (path: string, endings: readonly string[]) => {
    const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
    const names = entries
      .filter((entry) => !entry.isDirectory() && endings.some((ending) => entry.name.endsWith(ending)))
      .map((entry) => entry.name);
    return Promise.all(
      names.sort().map(async (name) => {
        const file = shown(join(path, name));
        return {
          name: basename(name).replace(/\.(ya?ml|json)$/, ""),
          file,
          located: readSource(file, await readFile(join(path, name), "utf8"), problems),
        };
      }),
    );
  };
  const [channels, presets, schemas] = await Promise.all([
    read(folder, [".yaml", ".yml"]),
    read(join(folder, "presets"), [".yaml", ".yml"]),
    read(join(folder, "models"), [".json"]),
  ]);
  const known = new Map(presets.map(({ name, located }) => [name, located]));
  return {
    channels: channels.flatMap(({ name, file, located }) => {
      const whole = located && extended(located, known, problems, []);
      return whole ? [{ name, file, located: whole }] : [];
    }),
    schemas: new Map(schemas.flatMap(({ name, located }) => (located ? [[name, { name, located }]] : []))),
  };
}

/** Paths are told as the operator would type them. */
function shown(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith("..") ? path : short;
}

function extended(
  located: Located,
  presets: ReadonlyMap<string, Located | undefined>,
  problems: Problems,
  seen: readonly string[],
): Located | undefined {
  const { extends: name, ...rest } = located.value;
  if (name === undefined) return located;
  if (typeof name !== "string" || !presets.has(name)) {
    problems.add(
      located,
      ["extends"],
      `extends: unknown preset ${JSON.stringify(name)} (${didYouMean(String(name), [...presets.keys()])})`,
    );
    return undefined;
  }
  if (seen.includes(name)) {
    problems.add(located, ["extends"], `extends: ${[...seen, name].join(" -> ")} goes round in a circle`);
    return undefined;
  }
  const preset = presets.get(name);
  const base = preset && extended(preset, presets, problems, [...seen, name]);
  return base && overlay(base, { ...located, value: rest });
}
