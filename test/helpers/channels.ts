import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { loadChannels, type Loaded } from "../../src/channels/load.ts";
import { shipped as provenFiles } from "../../src/channels/proven.ts";
import { textsOf } from "../../src/channels/texts.ts";
import { createTable } from "../../src/gateway/table.ts";
import { loadPlugins, shippedPlugins } from "../../src/plugin/load.ts";
import { startGateway, type TestGateway } from "../../src/testing/gateway.ts";

/** The plugins that ship. The grammar of channels is compiled once for each such map, and most of a load is that. */
export const plugins = await loadPlugins([shippedPlugins]);

/** A folder of channels made for one test: the shipped models and presets, and these files (`name.yaml`, `models/name.json`, ...). */
export async function channelFolder(files: Record<string, string>): Promise<{ folder: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "pictor-channels-"));
  for (const shared of ["models", "presets"]) await cp(join("channels", shared), join(folder, shared), { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** The shipped models and presets, by name. */
const shipped = new Map<string, Buffer>();
for (const folder of ["models", "presets"])
  for (const name of await readdir(join("channels", folder)))
    shipped.set(`${folder}/${name}`, await readFile(join("channels", folder, name)));

/** The shipped presets that a text extends, and those that they extend. Parsing all of them takes longer than most tests. */
function presetsBelow(text: string): string[] {
  const name = `presets/${/^extends: *(\S+)/m.exec(text)?.[1]}.yaml`;
  const preset = shipped.get(name);
  return preset ? [name, ...presetsBelow(preset.toString())] : [];
}

/** Load channel files as if they lay in a folder of `channelFolder`. Throws `ConfigError` as a start would. */
export function loadFiles(files: Record<string, string>, env: Record<string, string> = {}): Promise<Loaded> {
  const needed = new Set(Object.values(files).flatMap(presetsBelow));
  const shared = [...shipped].filter(([name]) => name.startsWith("models/") || needed.has(name));
  const own = Object.entries(files).map(([name, text]) => [name, Buffer.from(text)] as const);
  return loadChannels({ folder: textsOf(new Map([...shared, ...own]), (name) => `channels/${name}`), plugins, env, proven: provenFiles() });
}

/** A gateway that serves these channel files; `parts` replaces what it is made of. */
export async function gatewayWith(
  files: Record<string, string>,
  env: Record<string, string> = {},
  parts: Partial<Parameters<typeof startGateway>[0]> = {},
): Promise<TestGateway> {
  const table = createTable(await loadFiles(files, env));
  return startGateway({ table: () => table, ...parts });
}
