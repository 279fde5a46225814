import { basename, resolve } from "node:path";
import pc from "picocolors";
import { loadChannels } from "../channels/load.ts";
import { ConfigError, type Problem } from "../errors.ts";
import { loadPlugins } from "../plugin/load.ts";
import { runChannelTests } from "../testing/run.ts";
import { readSettings } from "./environment.ts";

export type Say = (line: string) => void;
type Env = Readonly<Record<string, string | undefined>>;

/** `pictor check [files]`: every problem of the channel files. Returns the exit code. */
export async function check(files: readonly string[], { json }: { json?: boolean }, env: Env, say: Say): Promise<number> {
  const settings = readSettings(env);
  const problems = await problemsOf(
    async () => void (await loadChannels({ folder: settings.channels, plugins: await loadPlugins(settings.pluginFolders), env })),
  );
  const shown = files.length === 0 ? problems : problems.filter(({ file }) => files.some((name) => resolve(name) === resolve(file)));
  if (json) say(JSON.stringify({ problems: shown }, null, 2));
  else for (const problem of shown) say(describe(problem));
  if (!json)
    say(
      shown.length === 0 ? pc.green("all channels are in order") : pc.red(`${shown.length} ${shown.length === 1 ? "problem" : "problems"}`),
    );
  return shown.length === 0 ? 0 : 1;
}

async function problemsOf(load: () => Promise<void>): Promise<readonly Problem[]> {
  try {
    await load();
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

export function describe({ file, line, column, message, frame }: Problem): string {
  return `${pc.bold(`${file}:${line}:${column}`)}: ${message}\n${pc.dim(frame)}`;
}

/** `pictor test [files]`: the channels' own tests, offline. Returns the exit code. */
export async function test(files: readonly string[], { json }: { json?: boolean }, env: Env, say: Say): Promise<number> {
  const settings = readSettings(env);
  const only = files.length > 0 ? files.map((file) => basename(file).replace(/\.ya?ml$/, "")) : undefined;
  const outcomes = await runChannelTests(settings.channels, await loadPlugins(settings.pluginFolders), only);
  const failed = outcomes.filter(({ failures }) => failures.length > 0);
  if (json) say(JSON.stringify({ tests: outcomes }, null, 2));
  else {
    for (const { channel, name, failures } of outcomes) {
      say(`${failures.length > 0 ? pc.red("fail") : pc.green("ok  ")} ${channel}: ${name}`);
      for (const failure of failures) say(`       ${failure}`);
    }
    say(`${outcomes.length - failed.length} passed, ${failed.length} failed`);
  }
  return failed.length === 0 ? 0 : 1;
}
