import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ConfigError, messageOf, type Problem } from "../errors.ts";
import type { Plugin } from "./define.ts";

export const shippedPlugins = fileURLToPath(new URL("../../plugins/", import.meta.url));

/**
 * Load every plugin of the folders, by name. A plugin that fails to load stops the start: a channel without it would do
 * something else than it says. Throws `ConfigError` with all that is wrong.
 */
export async function loadPlugins(folders: readonly string[]): Promise<Map<string, Plugin>> {
  const plugins = new Map<string, Plugin>();
  const problems: Problem[] = [];
  for (const folder of folders) {
    for (const name of (await readdir(folder)).filter((file) => file.endsWith(".js")).sort()) {
      const file = join(folder, name);
      try {
        const { default: plugin } = (await import(pathToFileURL(file).href)) as { default?: Partial<Plugin> };
        if (!isPlugin(plugin)) throw new Error("the default export is not a plugin; write export default definePlugin({ ... })");
        if (`${plugin.name}.js` !== name) throw new Error(`the plugin calls itself ${plugin.name}; name and file must be the same`);
        plugins.set(plugin.name, plugin);
      } catch (error) {
        problems.push({ file, line: 1, column: 1, message: `plugin: ${messageOf(error)}`, frame: "" });
      }
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return plugins;
}

function isPlugin(plugin: Partial<Plugin> | undefined): plugin is Plugin {
  return (
    typeof plugin?.name === "string" &&
    typeof plugin.create === "function" &&
    typeof plugin.schema === "object" &&
    Array.isArray(plugin.handles)
  );
}
