import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { loadChannels, type Loaded } from "../../src/channels/load.ts";
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

/** Load channel files as `channelFolder` lays them out. Throws `ConfigError` as a start would. */
export async function loadFiles(files: Record<string, string>, env: Record<string, string> = {}): Promise<Loaded> {
  const made = await channelFolder(files);
  try {
    return await loadChannels({ folder: made.folder, plugins, env });
  } finally {
    await made.remove();
  }
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
