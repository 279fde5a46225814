// Judges a folder of channels, and describes those that are right.
import { basename, join } from "node:path";
import { readFiles, type ReadChannel } from "../src/channels/files.ts";
import type { ChannelSettings } from "../src/channels/grammar.ts";
import { loadWhatIsRight } from "../src/channels/load.ts";
import { createProblems, keyOf, placeOf, type Located } from "../src/channels/problems.ts";
import { checked, grammarOf } from "../src/channels/judge.ts";
import { digestOf, type Proven, type ProvenChannel } from "../src/channels/proven.ts";
import { withSteps } from "../src/channels/steps.ts";
import { textsIn } from "../src/channels/texts.ts";
import { loadDoors } from "../src/door/load.ts";
import { shownPath } from "../src/errors.ts";
import { loadPlugins, shippedPlugins } from "../src/plugin/load.ts";

/** Every channel and door of a folder, if all of them are right; nothing else, for every start then says what is wrong. */
export async function prove(folder: string): Promise<Proven> {
  const plugins = await loadPlugins([shippedPlugins]);
  const { problems, texts } = await loadWhatIsRight({ folder, plugins, env: {} });
  const doors = await loadDoors({ folder });
  if (problems.length + doors.problems.length > 0) return { files: {}, channels: {}, doors: {} };
  const doorFiles = doors.doors.map(({ located, text }) => {
    const { file } = placeOf(located.places, []).place.source;
    return { name: `doors/${basename(file)}`, value: located.value, text };
  });
  const { channels } = await readFiles(textsIn(folder), createProblems());
  return {
    files: Object.fromEntries([
      ...[...texts].map(([name, text]) => [name, digestOf(text)] as const),
      ...doorFiles.map(({ name, text }) => [name, digestOf(text)] as const),
    ]),
    channels: Object.fromEntries(
      channels.map((channel) => {
        const { located } = checked(withSteps(channel.located as Located, createProblems()), grammarOf(plugins), createProblems());
        const layers = [channel.file, ...channel.below].map((file) => nameOf(file, folder, texts));
        return [channel.name, provenOf(located as Located<ChannelSettings>, channel, layers)];
      }),
    ),
    doors: Object.fromEntries(doorFiles.map(({ name, value }) => [name, value])),
  };
}

function nameOf(file: string, folder: string, texts: ReadonlyMap<string, unknown>): string {
  return [...texts.keys()].find((name) => shownPath(join(folder, name)) === file)!;
}

function provenOf({ value, places }: Located<ChannelSettings>, channel: ReadChannel, layers: string[]): ProvenChannel {
  const files = [channel.file, ...channel.below];
  const models = Object.entries(value.models);
  // The places that the life of a model is judged by.
  const looked = [["base_url"], ...models.flatMap(([id]) => ["deprecated", "retires", "retired"].map((key) => ["models", id, key]))];
  const written = looked.map((path) => [keyOf(path), files.indexOf(places.get(keyOf(path))?.source.file ?? "")] as const);
  const schemas = models.map(([id, model]) => `models/${model?.schema ?? id}.json`);
  return {
    value,
    gone: goneIn(value, []),
    layers,
    written: Object.fromEntries(written.filter(([, layer]) => layer >= 0)),
    rest: [...new Set(["models/common.json", ...schemas, ...documentsIn(value)])],
  };
}

function goneIn(value: unknown, path: string[]): string[][] {
  if (value === undefined) return [path];
  return entriesOf(value).flatMap(([key, inner]) => goneIn(inner, [...path, key]));
}

function documentsIn(value: unknown): string[] {
  return entriesOf(value).flatMap(([key, inner]) => (key === "$document" && typeof inner === "string" ? [inner] : documentsIn(inner)));
}

function entriesOf(value: unknown): [string, unknown][] {
  return typeof value === "object" && value !== null ? Object.entries(value) : [];
}
