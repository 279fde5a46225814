// Loads the plugins that ship and those of the operator.
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ConfigError, messageOf, shownPath, type Problem } from "../errors.ts";
import { createAjv } from "../schema/ajv.ts";
import { lazily } from "../schema/lazily.ts";
import { stepOptions, type Plugin } from "./define.ts";

export const shippedPlugins = fileURLToPath(new URL("../../plugins/", import.meta.url));

/**
 * Load every plugin of the folders, by name. A plugin that fails to load stops the start: a channel without it would do
 * something else than it says. Throws `ConfigError` with all that is wrong.
 */
export async function loadPlugins(folders: readonly string[]): Promise<Map<string, Plugin>> {
  const plugins = new Map<string, Plugin>();
  const problems: Problem[] = [];
  const ajv = lazily(createAjv);
  const tell = (path: string, message: string) =>
    problems.push({ file: shownPath(path), line: 1, column: 1, message: `plugin: ${message}`, frame: "" });
  for (const folder of folders) {
    const names = await readdir(folder).catch((error: unknown) => {
      tell(folder, `the folder cannot be read: ${messageOf(error)}`);
      return [];
    });
    for (const name of names.filter((file) => file.endsWith(".js")).sort()) {
      const path = join(folder, name);
      // A promise that the module left behind would end the process, now and at each start.
      const left = (reason: unknown) => tell(path, `a promise that it does not await failed: ${messageOf(reason)}`);
      process.on("unhandledRejection", left);
      try {
        if (!(await stat(path)).isFile()) throw new Error("it is not a regular file");
        const { default: plugin } = (await import(pathToFileURL(path).href)) as { default?: unknown };
        await setImmediate();
        // The schemas of those that ship are judged by the project's tests.
        const wrong = judge(plugin, name, plugins) ?? (folder === shippedPlugins ? undefined : optionsProblem(plugin as Plugin, ajv()));
        if (wrong === undefined) plugins.set((plugin as Plugin).name, plugin as Plugin);
        else tell(path, wrong);
      } catch (error) {
        // A caught syntax error has no line.
        tell(path, messageOf(error) + (error instanceof SyntaxError ? `; node --check ${shownPath(path)} shows where` : ""));
      } finally {
        process.off("unhandledRejection", left);
      }
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return plugins;
}

/** Says what is wrong with a plugin's module; undefined for a valid one. */
function judge(plugin: unknown, file: string, known: ReadonlyMap<string, Plugin>): string | undefined {
  if (!isPlugin(plugin)) return "the default export is not a plugin; write export default definePlugin({ ... })";
  if (`${plugin.name}.js` !== file) return `it calls itself ${plugin.name}; name and file must be the same`;
  if (known.has(plugin.name)) return `there is a plugin ${plugin.name} already; give this one another name`;
  const taken = Object.keys(stepOptions).find((option) => option in (plugin.schema.properties ?? {}));
  return taken === undefined ? undefined : `every step has the option ${taken} already; give this plugin's another name`;
}

/** Says what is wrong with the schema of a plugin's options; undefined where it takes the plugin's own examples. */
function optionsProblem(plugin: Plugin, ajv: ReturnType<typeof createAjv>): string | undefined {
  try {
    const validate = ajv.compile(plugin.schema);
    const wrong = plugin.examples.findIndex((example) => !validate(structuredClone(example)));
    return wrong === -1
      ? undefined
      : `its schema refuses its own example ${wrong + 1}: ${ajv.errorsText(validate.errors, { dataVar: "options" })}`;
  } catch (error) {
    return `the schema of its options cannot be used: ${messageOf(error)}`;
  }
}

function isPlugin(value: unknown): value is Plugin {
  const plugin = value as Partial<Plugin> | null | undefined;
  return (
    typeof plugin?.name === "string" &&
    typeof plugin.summary === "string" &&
    typeof plugin.create === "function" &&
    plugin.schema?.type === "object" &&
    Array.isArray(plugin.examples) &&
    Array.isArray(plugin.handles)
  );
}
