// Reads the folder of channels with its presets and schemas, and the channels given in the environment.
import { basename } from "node:path";
import { setImmediate } from "node:timers/promises";
import { messageOf } from "../errors.ts";
import { isPlainObject } from "../expression/cel.ts";
import { lazily } from "../schema/lazily.ts";
import { didYouMean } from "../schema/suggest.ts";
import { movedPlaces, sourceOf, type Located, type Problems } from "./problems.ts";
import { overlay } from "./overlay.ts";
import { readSource } from "./source.ts";
import { withPresetSteps } from "./steps.ts";
import { channelsVariable, type Texts } from "./texts.ts";

/** A file of the folder. `located` is absent if the file could not be read or parsed, which has then been reported. */
export interface ReadFile {
  /** The file's name without its ending. */
  readonly name: string;
  readonly file: string;
  readonly located: Located | undefined;
}

/** A channel, with its presets below it. They are laid together when they are first asked for. */
export interface ReadChannel extends ReadFile {
  /** The presets that it extends, as far as they are known. */
  readonly below: readonly string[];
  /** The channel's tests in a file of their own, where they are read. */
  readonly tests?: Located;
}

export interface Files {
  channels: ReadChannel[];
  schemas: Map<string, ReadFile>;
}

interface Reading {
  texts: Texts;
  problems: Problems;
  /** True for a file that was found right before; it is parsed when it is asked for. */
  isProven?: (name: string, text: Buffer) => boolean;
}

interface ReadOptions {
  /** Only these channels, by name. */
  only?: readonly string[];
  /** Reads the channels' `tests` too. */
  withTests?: boolean;
  isProven?: Reading["isProven"];
}

/** Reads a folder of channels, with its `presets` and `models`. Files that cannot be read or parsed are reported in `problems`. */
export async function readFiles(texts: Texts, problems: Problems, { only, withTests = false, isProven }: ReadOptions = {}): Promise<Files> {
  const reading = { texts, problems, isProven };
  const [filed, presets, schemas, tests] = await Promise.all([
    readFolder(".", /\.ya?ml$/, reading, { needed: true, only }),
    readFolder("presets", /\.ya?ml$/, reading),
    readFolder("models", /\.json$/, reading),
    withTests ? readFolder("tests", /\.ya?ml$/, reading, { only }) : new Map<string, ReadFile>(),
  ]);
  const channels = new Map([...filed, ...(await readGiven(reading, only))].sort(([a], [b]) => (a < b ? -1 : 1)));
  for (const { name, file } of tests.values())
    if (!channels.has(name))
      problems.addAt(sourceOf(file, ""), 0, `there is no channel ${name} for these tests (${didYouMean(name, [...channels.keys()])})`);
  const whole = (channel: ReadFile) => overPresets(channel, presets, testsOf(channel, tests.get(channel.name)), problems);
  return { channels: [...channels.values()].map(whole), schemas };
}

/** The tests of a channel or door. They must come from the same folder: tests of a file that this one replaces do not apply. */
export function testsOf({ file }: ReadFile, tests: ReadFile | undefined): ReadFile | undefined {
  return tests && tests.file.replace(/\btests[/\\](?=(doors[/\\])?[^/\\]+$)/, "").replace(ending, "") === file.replace(ending, "")
    ? tests
    : undefined;
}

const ending = /\.ya?ml$/;

/** The channels given in the environment, if any. Each is read like a file. */
async function readGiven({ texts, problems }: Reading, only?: readonly string[]): Promise<Map<string, ReadFile>> {
  const files = new Map<string, ReadFile>();
  const names = await texts.list(".").catch((): string[] => []);
  const given = names.includes(channelsVariable) && readSource(channelsVariable, await texts.read(channelsVariable), problems);
  if (!given) return files;
  for (const [name, value] of Object.entries(given.value)) {
    if (!(only?.includes(name) ?? true)) continue;
    const places = movedPlaces(given.places, [name], []);
    const isNamed = /^[a-z0-9][a-z0-9._-]*$/i.test(name);
    if (!isNamed) problems.add(given, [name], `${name} is no name for a channel; use letters, digits and dashes`, { at: "key" });
    else if (!isPlainObject(value)) problems.add(given, [name], `the channel ${name} is not a map; write what its file would hold`);
    files.set(name, { name, file: channelsVariable, located: isNamed && isPlainObject(value) ? { value, places } : undefined });
  }
  return files;
}

function overPresets(
  channel: ReadFile,
  presets: ReadonlyMap<string, ReadFile>,
  tests: ReadFile | undefined,
  problems: Problems,
): ReadChannel {
  const { name, file } = channel;
  const whole = lazily(() => channel.located && extended(channel.located, presets, problems, []));
  return {
    name,
    file,
    tests: tests?.located,
    get below() {
      return [...presetsOf(channel.located, presets, []), ...(tests ? [tests.file] : [])];
    },
    get located() {
      return whole();
    },
  };
}

/** Read the files of a folder below that of the channels, by name. What cannot be read or parsed is in `problems`. */
export async function readFolder(
  below: string,
  ending: RegExp,
  { texts, problems, isProven }: Reading,
  { needed = false, only }: { needed?: boolean; only?: readonly string[] } = {},
): Promise<Map<string, ReadFile>> {
  const entries = await texts.list(below).catch((error: unknown) => {
    if (needed) problems.addAt(sourceOf(texts.shown("."), ""), 0, `the folder of channels cannot be read: ${messageOf(error)}`);
    return [];
  });
  // Editors put files that begin with a dot next to the file being edited.
  const isMeant = (name: string) => ending.test(name) && !name.startsWith(".") && (only?.includes(name.replace(ending, "")) ?? true);
  const names = entries.filter((entry) => isMeant(basename(entry))).sort();
  const read = await Promise.all(names.map((name) => texts.read(name).catch((error: unknown) => new Error(messageOf(error)))));
  const files = new Map<string, ReadFile>();
  for (const [index, text] of read.entries()) {
    const file = texts.shown(String(names[index]));
    const name = basename(file).replace(ending, "");
    const before = files.get(name);
    if (before) problems.addAt(sourceOf(file, ""), 0, `there is ${before.file} too, and a name is used once; rename one of them`);
    if (text instanceof Error) problems.addAt(sourceOf(file, ""), 0, `cannot be read: ${text.message}`);
    if (before) continue;
    const read = lazily(() => (text instanceof Error ? undefined : readSource(file, text, problems)));
    files.set(name, {
      name,
      file,
      get located() {
        return read();
      },
    });
    if (text instanceof Error || isProven?.(String(names[index]), text)) continue;
    // A reload shares the process with requests, which get their turn between two files.
    await setImmediate();
    read();
  }
  return files;
}

function presetsOf(located: Located | undefined, presets: ReadonlyMap<string, ReadFile>, seen: readonly string[]): string[] {
  const preset = presets.get(String(located?.value.extends));
  return preset && !seen.includes(preset.file) ? [preset.file, ...presetsOf(preset.located, presets, [...seen, preset.file])] : [];
}

function extended(
  located: Located,
  presets: ReadonlyMap<string, ReadFile>,
  problems: Problems,
  seen: readonly string[],
): Located | undefined {
  const { extends: name, ...rest } = located.value;
  if (name === undefined || name === null) return { ...located, value: rest };
  const preset = typeof name === "string" ? presets.get(name) : undefined;
  if (!preset) {
    const shown = typeof name === "string" ? name : JSON.stringify(name);
    problems.add(located, ["extends"], `extends: unknown preset ${shown} (${didYouMean(shown, [...presets.keys()])})`);
    return undefined;
  }
  if (seen.includes(preset.name)) {
    problems.add(located, ["extends"], `extends: ${[...seen, preset.name].join(" -> ")} goes round in a circle; take one of them out`);
    return undefined;
  }
  const base = preset.located && extended(preset.located, presets, problems, [...seen, preset.name]);
  return base && overlay(base, withPresetSteps({ ...located, value: rest }, base, problems));
}
