// Builds what is in force from the operator's files.
import { basename, dirname, join, relative } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { ChannelTests } from "../channels/channel.ts";
import { routesOf, type Loaded, type PartlyLoaded } from "../channels/load.ts";
import { shipped } from "../channels/proven.ts";
import type { Channel, Route } from "../channels/route.ts";
import type { Environment } from "../channels/settings.ts";
import { knownIn } from "../channels/texts.ts";
import type { TestOutcome } from "../testing/ready-test.ts";
import { loadDoors, type LoadedDoor } from "../door/load.ts";
import { ConfigError, type Problem } from "../errors.ts";
import { createTable, type Table } from "../gateway/table.ts";
import { isOwnPath } from "../http/app.ts";
import { createClientKeys, type ClientKeys } from "../http/client-keys.ts";
import type { ConfigState } from "../http/gateway.ts";
import { clientOf } from "../net/send.ts";
import type { Plugin } from "../plugin/define.ts";
import { channelTexts, type ProcessSettings } from "./environment.ts";
import { gatewayText, parseGatewayFile, readGatewayFile, type GatewayFile } from "./gateway-file.ts";
import type { Loader } from "./load.ts";
import { isOwnAddress } from "./own-address.ts";
import { ownKeyIn } from "./own-key.ts";
import { changedPaths, snapshotOf, type Snapshot } from "./watch.ts";

/** A channel as its file said it when it was last right. */
export interface Good {
  channel: Channel;
  routes: readonly Route[];
  /** The texts of the load that it is of. */
  texts: ReadonlyMap<string, Buffer>;
}

/** Everything that a reload replaces, as a whole. */
export interface InForce {
  table: Table;
  keys: ClientKeys;
  file: GatewayFile;
  /** The text of `gateway.yaml`, where there is one. */
  fileText?: Buffer;
  /** The key that was made for an operator who set none. */
  ownKey?: string;
  /** The files it was made from. */
  files: Snapshot;
  /** The last good version of each channel, by name, in the order of the files. */
  good: ReadonlyMap<string, Good>;
  /** The last good version of each door, by name. */
  doors: ReadonlyMap<string, LoadedDoor>;
  /** Problems of files that are not in force because of them. */
  problems: readonly Problem[];
  broken: ConfigState["broken"];
}

export interface Parts {
  settings: ProcessSettings;
  plugins: ReadonlyMap<string, Plugin>;
  env: Environment;
  /** Reads into `env` what may have changed in it. */
  refreshEnv?: () => void;
  loader: Pick<Loader, "load" | "settle">;
}

interface Files {
  settings: ProcessSettings;
  env: Environment;
  load: () => Promise<Loaded>;
}

/** Read the channels and `gateway.yaml`. Throws one `ConfigError` with every problem of all files. */
export async function readFiles({ settings, env, load }: Files): Promise<{ loaded: Loaded; file: GatewayFile }> {
  const problems: Problem[] = [];
  const loaded = await collected(load, problems);
  const models = loaded?.channels.flatMap((channel) => channel.models);
  const file = await collected(() => readGatewayFile(settings.config.file, env, { named: settings.config.named, models }), problems);
  if (!loaded || !file) throw new ConfigError(problems);
  return { loaded, file };
}

async function collected<T>(read: () => T | Promise<T>, problems: Problem[]): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    problems.push(...error.problems);
    return undefined;
  }
}

/**
 * Put together what is to be in force: each channel as its file says, or as it said when it was last right. Where something is in force already,
 * the channels that changed must pass their own tests. Throws `ConfigError` where `gateway.yaml` is wrong, no channel is right, or the
 * operator wants all or nothing at the start. `files` are those that are there before the first is read.
 */
export async function buildInForce(parts: Parts, port: number, files: Snapshot, before?: InForce): Promise<InForce> {
  const { settings, env } = parts;
  if (before) parts.refreshEnv?.();
  const loaded = await parts.loader.load();
  const doors = await readDoors(parts, files, before);
  const faults = [...ownAddresses(loaded.tests, { ...settings, port }), ...(before ? await failedTests(parts, loaded, before, files) : [])];
  const faulty = new Set(faults.map(({ channel }) => channel));
  const good = new Map(before?.good);
  for (const one of loaded.tests) {
    const { channel } = one;
    if (!faulty.has(channel.name)) good.set(channel.name, { channel, routes: routesOf(one), texts: loaded.texts });
  }
  const wrong = new Set([...loaded.broken, ...faulty]);
  const there = new Set([...loaded.channels.map(({ name }) => name), ...wrong]);
  for (const name of good.keys()) if (!there.has(name)) good.delete(name);
  const brokenChannels = [...wrong].map((channel) => ({ channel, serves: good.has(channel) }));
  const broken = [...brokenChannels, ...doors.broken];

  const problems = [...loaded.problems, ...doors.problems, ...faults.map(({ problem }) => problem)];
  const told = [...problems];
  // A model of a channel that is broken may be any.
  const models = brokenChannels.every(({ serves }) => serves) ? [...good.values()].flatMap(({ channel }) => channel.models) : undefined;
  const fileText = await collected(() => gatewayText(settings.config.file, settings.config.named), told);
  const file =
    told.length > problems.length ? undefined : await collected(() => parseGatewayFile(settings.config.file, fileText, env, models), told);
  const isRefused = there.size === 0 || (!before && (settings.strict || good.size === 0));
  if (!file || (problems.length > 0 && isRefused)) throw new ConfigError(told);
  const next = await assemble(parts, { file, fileText, files, good, doors: doors.good, problems, broken });
  if (before) await compileAhead(next.table);
  return next;
}

/**
 * The doors as their files say, or as they said when they were last right. Where some are in force already, those that changed, those whose tests
 * did, and those that were not right before must pass their own tests.
 */
async function readDoors({ settings: { channels }, plugins }: Parts, files: Snapshot, inForce: InForce | undefined) {
  const before = inForce?.doors;
  const loaded = await loadDoors({ folder: channelTexts(channels), proven: shipped(), before, isTaken: isOwnPath });
  const written = inForce ? changedPaths(inForce.files, files).filter((path) => isOfDoor(path, channels)) : [];
  const suspects = new Set([...written.map((path) => `doors/${nameOf(path)}`), ...(inForce?.broken ?? []).map(({ channel }) => channel)]);
  const changed = loaded.doors.filter(
    ({ door, text }) => before && (suspects.has(`doors/${door.name}`) || before.get(door.name)?.text.equals(text) !== true),
  );
  const failed = changed.length === 0 ? [] : await failedDoors(changed, { channels, plugins });
  const wrong = [...new Set([...loaded.broken, ...failed.map(({ name }) => name)])];
  const kept = wrong.flatMap((name) => [...(before ?? [])].filter(([known]) => known === name));
  const right = loaded.doors.filter(({ door }) => !wrong.includes(door.name));
  return {
    good: new Map([...kept, ...right.map((one) => [one.door.name, one] as const)]),
    problems: [...loaded.problems, ...failed.map(({ problem }) => problem)],
    broken: wrong.map((name) => ({ channel: `doors/${name}`, serves: before?.has(name) === true })),
  };
}

/** The tests that fail, with the doors that they are of. */
async function failedDoors(
  doors: readonly LoadedDoor[],
  { channels, plugins }: { channels: ProcessSettings["channels"]; plugins: Parts["plugins"] },
) {
  const { runChannelTests } = await import("../testing/run.ts");
  const failed: { name: string; problem: Problem }[] = [];
  for (const { door } of doors) {
    // The doors themselves were found to be in order, so what is unreadable are files of tests.
    const unreadable: Problem[] = [];
    const outcomes = await collected(() => runChannelTests(channelTexts(channels), plugins, [`doors/${door.name}`]), unreadable);
    const problems = [...unreadable, ...failuresIn(outcomes ?? []).map(({ problem }) => problem)];
    failed.push(...problems.map((problem) => ({ name: door.name, problem })));
  }
  return failed;
}

/** Load and compile what a start has put off, a schema at a time, so that no request has to wait for it. */
export async function compileAhead({ models }: Pick<Table, "models">): Promise<void> {
  await clientOf();
  for (const { schema } of models.values()) {
    await setImmediate();
    schema.prepare();
  }
}

/** Make a table of what was found to be good. */
export async function assemble(
  { settings, loader }: Parts,
  found: Pick<InForce, "file" | "fileText" | "files" | "good" | "doors" | "problems" | "broken">,
): Promise<InForce> {
  const { file } = found;
  const good = new Map([...found.good].sort(([a], [b]) => (`${a}.yaml` < `${b}.yaml` ? -1 : 1)));
  const stale = new Set(found.broken.map(({ channel }) => channel));
  const all = [...good.values()];
  // A model has one schema, that of the files as they are now, also on a channel that serves its last good version.
  const schemas = new Map(
    all.filter(({ channel }) => !stale.has(channel.name)).flatMap(({ routes }) => routes.map((route) => [route.model.id, route.schema])),
  );
  const routes = all.flatMap((one) =>
    one.routes.map((route) => (stale.has(route.channel.name) ? { ...route, schema: schemas.get(route.model.id) ?? route.schema } : route)),
  );
  const isKnown = settings.apiKeys.length + file.clients.length > 0;
  const ownKey = isKnown || !file.makesKey ? undefined : await ownKeyIn(settings.data);
  return {
    ...found,
    good,
    table: createTable(loader.settle({ channels: all.map(({ channel }) => channel), routes }), {
      ...file.routing,
      fallback: file.fallback,
      doors: [...found.doors.values()].filter(({ isOpen }) => isOpen).map(({ door }) => door),
    }),
    keys: createClientKeys(ownKey === undefined ? settings.apiKeys : [ownKey], file.clients),
    ownKey,
  };
}

/** The operator's files and folders, which are read anew when they change. */
export function watchedPaths({ channels, config, envFile }: ProcessSettings): string[] {
  return [...channels.folders.map(({ path }) => path), config.file, envFile];
}

/** The operator's files as they are now. */
export function filesOf(settings: ProcessSettings): Promise<Snapshot> {
  return snapshotOf(watchedPaths(settings));
}

/** The channels whose files differ, by name; undefined is all of them, where something has changed that several may rest on. */
export function changedChannels(before: Snapshot, after: Snapshot, { channels, config, envFile }: ProcessSettings): string[] | undefined {
  const own = changedPaths(before, after).filter((path) => ![config.file, envFile].includes(path) && !isOfDoor(path, channels));
  return own.every((path) => ["", "tests"].includes(folderOf(path, channels) ?? path)) ? own.map(nameOf) : undefined;
}

type Sources = ProcessSettings["channels"];

/** The folder of a path below one of channels; undefined where it is below none. */
function folderOf(path: string, { folders }: Sources): string | undefined {
  return folders.map((folder) => relative(folder.path, dirname(path))).find((name) => !name.startsWith(".."));
}

/** True for the file of a door, and for that of its tests. */
function isOfDoor(path: string, channels: Sources): boolean {
  return ["doors", join("tests", "doors")].includes(folderOf(path, channels) ?? "");
}

function nameOf(path: string): string {
  return basename(path).replace(/\.ya?ml$/, "");
}

interface Fault {
  channel: string;
  problem: Problem;
}

/** The tests that fail, of channels that changed, or that were not right before. */
async function failedTests({ settings, plugins }: Parts, loaded: PartlyLoaded, before: InForce, files: Snapshot): Promise<Fault[]> {
  const names = loaded.channels.map(({ name }) => name);
  const changed = changedChannels(before.files, files, settings) ?? names;
  const only = names.filter((name) => changed.includes(name) || before.broken.some(({ channel }) => channel === name));
  if (only.length === 0) return [];
  // The channels themselves were found to be in order, so what is unreadable are files of tests, which are named as their channels are.
  const unreadable: Problem[] = [];
  // The first load runs none, and starts without what they need.
  const { runChannelTests } = await import("../testing/run.ts");
  // The texts that would come into force are tested, whatever is written meanwhile.
  const folder = knownIn(channelTexts(settings.channels), loaded.texts);
  const run = (names: readonly string[]) => collected(() => runChannelTests(folder, plugins, names), unreadable);
  const first = await run(only);
  const faults = unreadable.map((problem) => ({ channel: nameOf(problem.file), problem }));
  const readable = only.filter((name) => !faults.some(({ channel }) => channel === name));
  const outcomes = first ?? (readable.length > 0 ? await run(readable) : undefined) ?? [];
  return [...faults, ...failuresIn(outcomes)];
}

function failuresIn(outcomes: readonly TestOutcome[]): Fault[] {
  return outcomes
    .filter(({ failures }) => failures.length > 0)
    .map(({ channel, file, line, name, failures }) => ({
      channel,
      problem: { file, line, column: 1, message: `test "${name}": ${failures.join("; ")}`, frame: "" },
    }));
}

/** The channels that would send every request round in a circle. */
function ownAddresses(tests: readonly ChannelTests[], settings: ProcessSettings): Fault[] {
  return tests
    .filter(({ channel }) => isOwnAddress(channel, settings))
    .map(({ channel, problemAt }) => ({
      channel: channel.name,
      problem: problemAt(["base_url"], "base_url: it is this gateway's own address"),
    }));
}
