// Runs `pictor check` and `pictor test`.
import { basename, dirname, resolve } from "node:path";
import { endInWords, isEnding } from "../channels/life.ts";
import type { ChannelTests } from "../channels/channel.ts";
import { loadWhatIsRight } from "../channels/load.ts";
import { shipped } from "../channels/proven.ts";
import { loadDoors } from "../door/load.ts";
import { ConfigError, shownPath, type Problem } from "../errors.ts";
import { isOwnPath } from "../http/app.ts";
import { loadPlugins } from "../plugin/load.ts";
import { didYouMean } from "../schema/suggest.ts";
import type { TestOutcome } from "../testing/run.ts";
import { colours } from "../process/colours.ts";
import { describe } from "../process/describe.ts";
import { channelTexts, readSettings, type ProcessSettings } from "../process/environment.ts";
import { readFiles } from "../process/in-force.ts";

export type Say = (line: string) => void;
type Env = Readonly<Record<string, string | undefined>>;

/**
 * `pictor check [files]`: every problem of the channel files, and the models that end soon, which are no problem yet. Returns the exit code.
 * Throws an Error for a file that is not there.
 */
export async function check(
  files: readonly string[],
  { json, now = Date.now() }: { json?: boolean; now?: number },
  env: Env,
  say: Say,
): Promise<number> {
  const settings = readSettings(env);
  const { channels, paths } = await meantBy(files, settings);
  let right: readonly ChannelTests[] = [];
  const load = async (only?: readonly string[]) => {
    const plugins = await loadPlugins(settings.pluginFolders);
    const loaded = await loadWhatIsRight({
      folder: channelTexts(settings.channels),
      plugins,
      env,
      only,
      withTests: true,
      proven: shipped(),
    });
    const doors = await loadDoors({ folder: channelTexts(settings.channels), isTaken: isOwnPath });
    right = loaded.tests;
    const problems = [...loaded.problems, ...doors.problems];
    if (problems.length > 0) throw new ConfigError(problems);
    return loaded;
  };
  const all = await problemsOf(() => readFiles({ settings, env, load }));
  // With a channel go its preset and its models' schemas; a file of another kind speaks for itself.
  const below = new Set(channels.length === 0 ? [] : (await problemsOf(() => load(channels))).map(({ file }) => file));
  const problems = files.length === 0 ? all : all.filter(({ file }) => paths.includes(resolve(file)) || below.has(file));
  const warnings = endings(right, channels, now);
  const unpriced = unpricedOf(right, channels);
  if (json) say(JSON.stringify({ problems, warnings, unpriced }, null, 2));
  else {
    for (const problem of problems) say(describe(problem));
    for (const { file, line, column, message } of warnings) say(`${file}:${line}:${column}: warning: ${message}`);
    if (unpriced.length > 0) say(unpricedText(unpriced));
    const elsewhere = all.length - problems.length;
    const count = problems.length === 0 ? colours.green("no problems") : colours.red(counted(problems.length));
    say(elsewhere === 0 ? count : `${count}; ${counted(elsewhere)} in other files`);
  }
  return problems.length === 0 ? 0 : 1;
}

/** The channels that are named, or else those that are on: a channel that nobody uses is nobody's worry. */
function meant(loaded: readonly ChannelTests[], named: readonly string[]): readonly ChannelTests[] {
  return loaded.filter(({ channel }) => (named.length > 0 ? named.includes(channel.name) : channel.off === undefined));
}

/** The models without a price, by their channels. */
function unpricedOf(loaded: readonly ChannelTests[], named: readonly string[]): { channel: string; models: string[] }[] {
  return meant(loaded, named).flatMap(({ channel, routes }) => {
    const models = routes.filter(({ pricing }) => !pricing.isPriced).map(({ model }) => model.id);
    return models.length === 0 ? [] : [{ channel: channel.name, models }];
  });
}

/** A line about the models without a price: of each channel the first ones. */
function unpricedText(unpriced: readonly { channel: string; models: readonly string[] }[]): string {
  const shown = unpriced.map(({ channel, models }) => {
    const more = models.length > 3 ? ` and ${models.length - 3} more` : "";
    return `${channel} (${models.slice(0, 3).join(", ")}${more})`;
  });
  return `without a price: ${shown.join(", ")}`;
}

/** The models that end soon. */
function endings(loaded: readonly ChannelTests[], named: readonly string[], now: number): Omit<Problem, "frame">[] {
  return meant(loaded, named).flatMap(({ routes, problemAt }) =>
    routes.flatMap(({ model, life }) => {
      if (!isEnding(life, now)) return [];
      const { file, line, column, message } = problemAt(["models", model.id], `${model.id} ${endInWords(life, now)}`);
      return [{ file, line, column, message }];
    }),
  );
}

function counted(count: number): string {
  return `${count} ${count === 1 ? "problem" : "problems"}`;
}

async function problemsOf(load: () => Promise<unknown>): Promise<readonly Problem[]> {
  try {
    await load();
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

/** `pictor test [files]`: the channels' own tests, offline. Returns the exit code. Throws an Error for a file that is not there. */
export async function test(files: readonly string[], { json }: { json?: boolean }, env: Env, say: Say): Promise<number> {
  const settings = readSettings(env);
  const { channels, doors } = await meantBy(files, settings, { testedOnly: true });
  const only = [...channels, ...doors];
  let tests: TestOutcome[] = [];
  // A check runs no test, and so needs no gateway to run them on.
  const { runChannelTests } = await import("../testing/run.ts");
  const problems = await problemsOf(async () => {
    tests = await runChannelTests(
      channelTexts(settings.channels),
      await loadPlugins(settings.pluginFolders),
      files.length > 0 ? only : undefined,
    );
  });
  const failed = tests.filter(({ failures }) => failures.length > 0).length;
  if (json) say(JSON.stringify({ problems, tests }, null, 2));
  else {
    for (const problem of problems) say(describe(problem));
    for (const { channel, name, failures } of tests) {
      say(`${failures.length > 0 ? colours.red("fail") : colours.green("ok  ")} ${channel}: ${name}`);
      for (const failure of failures) say(`       ${failure}`);
    }
    say(
      problems.length > 0
        ? colours.red(`${counted(problems.length)}; no test was run`)
        : `${tests.length - failed} passed, ${failed} failed`,
    );
  }
  return problems.length === 0 && failed === 0 ? 0 : 1;
}

/** The files that are meant, as whole paths, and the channels and doors among them. Each is named as a path, as a channel, or as `doors/NAME`. */
async function meantBy(
  files: readonly string[],
  { channels: sources, config }: ProcessSettings,
  { testedOnly = false } = {},
): Promise<{ paths: string[]; channels: string[]; doors: string[] }> {
  if (files.length === 0) return { paths: [], channels: [], doors: [] };
  const texts = channelTexts(sources);
  const pathsIn = async (below: string) =>
    (await texts.list(below).catch(() => [])).filter((name) => ending.test(name)).map((name) => resolve(texts.shown(name)));
  const [channels, doors, ...others] = await Promise.all(
    [".", "doors", "presets", "models", "tests", "workflows", "tests/doors"].map(pathsIn),
  );
  const all = [...(channels ?? []), ...(doors ?? []), ...(testedOnly ? [] : [...others.flat(), config.file])];
  const paths = files.map((file) => {
    const path =
      all.find((candidate) => candidate === resolve(file)) ??
      all.find((candidate) => [nameOf(candidate), doorOf(candidate)].includes(file));
    if (path !== undefined) return path;
    const folders = sources.folders.map((folder) => shownPath(folder.path)).join(" and ");
    throw new Error(`${file} is not in ${folders} (${didYouMean(nameOf(file), all.map(nameOf))})`);
  });
  const among = (known: readonly string[] = []) => paths.filter((path) => known.includes(path));
  return { paths, channels: among(channels).map(nameOf), doors: among(doors).map(doorOf) };
}

/** The name of a door with its folder before it. */
function doorOf(path: string): string {
  return `${basename(dirname(path))}/${nameOf(path)}`;
}

const ending = /\.(ya?ml|json)$/;

function nameOf(path: string): string {
  return basename(path).replace(ending, "");
}
