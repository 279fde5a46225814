// Reads the folder of channels, with the presets and schemas in it.
import { basename, join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { messageOf, shownPath } from "../errors.ts";
import { lazily } from "../schema/lazily.ts";
import { didYouMean } from "../schema/suggest.ts";
import { sourceOf, type Located, type Problems } from "./problems.ts";
import { overlay } from "./overlay.ts";
import { readSource } from "./source.ts";
import { withPresetSteps } from "./steps.ts";
import { textsIn, type Texts } from "./texts.ts";

/** A file of the folder. `located` is absent where it could not be read; what is wrong has been told then. */
export interface ReadFile {
  /** The file's name without its ending. */
  readonly name: string;
  readonly file: string;
  readonly located: Located | undefined;
}

/** A channel, with its presets below it. They are laid together when they are first asked for. */
export interface ReadChannel extends ReadFile {
  /** The files that it builds on, as far as they are known. */
  readonly below: readonly string[];
  /** The channel's tests in a file of their own, where they are read. */
  readonly tests?: Located;
}

export interface Files {
  channels: ReadChannel[];
  schemas: Map<string, ReadFile>;
}

interface Reading {
  folder: string;
  texts: Texts;
  problems: Problems;
  /** True for a file that was found right before; it is parsed when it is asked for. */
  isProven?: (name: string, text: Buffer) => boolean;
}

interface ReadOptions {
  /** Only these channels, by name. */
  only?: readonly string[];
  texts?: Texts;
  /** Reads the channels' `tests` too. */
  withTests?: boolean;
  isProven?: Reading["isProven"];
}

/** Read a folder of channels, with its `presets` and `models`. What cannot be read or parsed is in `problems`. */
export async function readFiles(
  folder: string,
  problems: Problems,
  { only, texts = textsIn(folder), withTests = false, isProven }: ReadOptions = {},
): Promise<Files> {
  const reading = { folder, texts, problems, isProven };
  const [channels, presets, schemas, tests] = await Promise.all([
    readFolder(".", /\.ya?ml$/, reading, { needed: true, only }),
    readFolder("presets", /\.ya?ml$/, reading),
    readFolder("models", /\.json$/, reading),
    withTests ? readFolder("tests", /\.ya?ml$/, reading, { only }) : new Map<string, ReadFile>(),
  ]);
  for (const { name, file } of tests.values())
    if (!channels.has(name))
      problems.addAt(sourceOf(file, ""), 0, `there is no channel ${name} for these tests (${didYouMean(name, [...channels.keys()])})`);
  return { channels: [...channels.values()].map((channel) => overPresets(channel, presets, tests.get(channel.name), problems)), schemas };
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
  { folder, texts, problems, isProven }: Reading,
  { needed = false, only }: { needed?: boolean; only?: readonly string[] } = {},
): Promise<Map<string, ReadFile>> {
  const entries = await texts.list(below).catch((error: unknown) => {
    if (needed) problems.addAt(sourceOf(shownPath(folder), ""), 0, `the folder of channels cannot be read: ${messageOf(error)}`);
    return [];
  });
  // Editors keep files that begin with a dot beside those they edit.
  const isMeant = (name: string) => ending.test(name) && !name.startsWith(".") && (only?.includes(name.replace(ending, "")) ?? true);
  const names = entries.filter((entry) => isMeant(basename(entry))).sort();
  const read = await Promise.all(names.map((name) => texts.read(name).catch((error: unknown) => new Error(messageOf(error)))));
  const files = new Map<string, ReadFile>();
  for (const [index, text] of read.entries()) {
    const file = shownPath(join(folder, String(names[index])));
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
