// Loads channel files: checked, compiled, immutable.
import { setImmediate } from "node:timers/promises";
import { ConfigError, type Problem } from "../errors.ts";
import { loadProven, loadWritten, type ChannelTests, type Load, type Work } from "./channel.ts";
import { readFiles, type ReadChannel } from "./files.ts";
import { madeOf, noting, rightBefore, unchanged, type Kept, type Made } from "./kept.ts";
import { createProblems } from "./problems.ts";
import { createProof, type Proven } from "./proven.ts";
import type { Channel, Route } from "./route.ts";
import { compileSchemas } from "./schemas.ts";
import { judgePrefixes } from "./settings.ts";
import { channelsVariable, knownIn, recorded, textsOfFolder, type Texts } from "./texts.ts";

export interface LoadOptions extends Pick<Load, "env" | "readSecret" | "plugins" | "withTests" | "wait" | "divert" | "token"> {
  /** The folder of channel files, with `presets` and `models` in it: its path, or its texts. */
  folder: string | Texts;
  /** Only these channels, by name; all when omitted. */
  only?: readonly string[];
  /** The channels that were found right before. They are not judged again, and are compiled when they are asked for. */
  proven?: Proven;
  /** The result of an earlier load with the same options. Only what has changed since then is made again. */
  before?: Kept;
}

/** The result of a load: every channel, on or off, and the routes of those that are on. */
export interface Loaded {
  channels: Channel[];
  routes: Route[];
  /** The channels' own tests, and the routes they run on, whether the channel is on or off. */
  tests: ChannelTests[];
}

/** The result of a load of files some of which are wrong. */
export interface PartlyLoaded extends Loaded {
  problems: readonly Problem[];
  /** The channels that are not there because they, or what they build on, are wrong. */
  broken: readonly string[];
  /** Every text that was read, by its name below the folder. */
  texts: ReadonlyMap<string, Buffer>;
  /** For the next load. */
  kept: Kept;
}

/** Load a folder of channels. Throws one `ConfigError` with every problem of every file. */
export async function loadChannels(options: LoadOptions): Promise<Loaded> {
  const { problems, ...loaded } = await loadWhatIsRight(options);
  if (problems.length > 0) throw new ConfigError(problems);
  return loaded;
}

/**
 * Load the channels of a folder that are right, with all that is wrong. A channel is right as a whole, or not there. Others have their turn
 * between two files, and between two models.
 */
export async function loadWhatIsRight(options: LoadOptions): Promise<PartlyLoaded> {
  // A channel holds its load as long as it lives, which must not hold the one before.
  const { before, ...own } = options;
  const { only, withTests } = own;
  const problems = createProblems();
  const read = new Map<string, Buffer>();
  const texts = recorded(textsOfFolder(options.folder), read, before);
  const proof = options.proven && createProof(options.proven, knownIn(texts, read));
  const wasRight = rightBefore(before);
  const isRight = (name: string, text: Buffer) => wasRight(texts.shown(name), text) || proof?.holdsOf(name, text) === true;
  const files = await readFiles(texts, problems, { only, withTests, isProven: isRight });
  const byFile = new Map([...read].map(([name, text]) => [texts.shown(name), text]));
  const now = (file: string) => byFile.get(file);
  const isSchemaRight = (name: string) =>
    ["common", name].map((one) => texts.shown(`models/${one}.json`)).every((file) => wasRight(file, now(file))) ||
    proof?.holdsOfSchema(name) === true;
  const schemas = await compileSchemas(files.schemas, problems, isSchemaRight);
  const load: Load = { ...own, env: { ...options.env }, texts, schemas, proof, schemaOf: new Map() };
  const meant = files.channels.filter(({ name }) => only?.includes(name) ?? true);
  const clashes = judgePrefixes(meant);
  const made: Made[] = [];
  const broken: string[] = [];
  for (const channel of meant) {
    const clash = clashes.get(channel.name);
    const one = (before && clash === undefined ? unchanged(channel, before, load, now) : undefined) ?? (await make(channel, clash));
    if (one) made.push(one);
    else broken.push(channel.name);
  }
  const tests = made.map((one) => one.tests);
  const found = problems.list();
  const right = [...byFile].filter(([file]) => !found.some((problem) => problem.file === file));
  const named = made.map((one) => [one.tests.channel.name, one] as const);
  return {
    channels: tests.map(({ channel }) => channel),
    routes: tests.flatMap(routesOf),
    tests,
    problems: found.filter(({ file }) => only === undefined || isBelow(file, meant, load)),
    broken,
    texts: read,
    // A load of a few channels says nothing about the others.
    kept: {
      right: new Map([...((only && before?.right) ?? []), ...right]),
      made: new Map([...((only && before?.made) ?? []), ...named]),
    },
  };

  async function make(channel: ReadChannel, clash: string | undefined): Promise<Made | undefined> {
    await setImmediate();
    const { load: noted, uses } = noting(load);
    const proven = clash === undefined ? loadProven(channel, noted) : undefined;
    const one = proven ?? (await inTurns(loadWritten(channel, noted, problems, clash)));
    // A channel that is off is compiled when its routes are first used.
    if (one?.channel.off === undefined) await inTurns(partsOf(one?.parts ?? []));
    return one && madeOf(one, uses, load, now);
  }
}

function* partsOf(parts: ChannelTests["parts"]): Work<void> {
  for (const compile of parts) {
    compile();
    yield;
  }
}

/** Do work, and give others their turn at each of its seams. */
async function inTurns<T>(work: Work<T>): Promise<T> {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
    await setImmediate();
  }
}

/** The routes of a channel that are on. */
export function routesOf(one: Pick<ChannelTests, "channel" | "routes">): Route[] {
  const { off, modelsOff } = one.channel;
  return off === undefined ? one.routes.filter(({ model }) => !modelsOff.has(model.id)) : [];
}

/** True for a file that some channels need: their own, their presets, their models' schemas. */
function isBelow(file: string, meant: readonly ReadChannel[], { schemaOf, texts }: Load): boolean {
  const schemas = ["common", ...[...schemaOf.values()].map(({ name }) => name)].map((name) => texts.shown(`models/${name}.json`));
  return (
    file === texts.shown(".") ||
    file === channelsVariable ||
    schemas.includes(file) ||
    meant.some((channel) => channel.file === file || channel.below.includes(file))
  );
}
