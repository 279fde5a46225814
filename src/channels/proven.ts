// Recognises channels that the build has found valid, by the bytes of their files.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { lazily } from "../schema/lazily.ts";
import type { ChannelSettings } from "./grammar.ts";
import { sourceOf, type Located, type Place } from "./problems.ts";
import type { Texts } from "./texts.ts";

/** A channel that was found right, and all that this depends on. */
export interface ProvenChannel {
  /** The channel with its presets below it, as the grammar has accepted it. */
  value: ChannelSettings;
  /** The paths at which `value` has undefined, which is no JSON: a line that was taken away. */
  gone: readonly (readonly string[])[];
  /** Its own file and its presets, the upper ones first, as names below the folder. */
  layers: readonly string[];
  /** The layers of the values that a load looks for: an index for each place. */
  written: Readonly<Record<string, number>>;
  /** The schemas of its models, and the documents that it sends. */
  rest: readonly string[];
}

/** Channels that were found right, and the values of doors. `files` has the digests of everything that they rest on, by name. */
export interface Proven {
  files: Readonly<Record<string, string>>;
  channels: Readonly<Record<string, ProvenChannel>>;
  /** By name below the folder. */
  doors: Readonly<Record<string, unknown>>;
}

/** The part of `Proven` that still holds because the files are unchanged. */
export interface Proof {
  /** True for a file that was found right, with these bytes. */
  holdsOf: (name: string, text: Buffer) => boolean;
  /** True for a schema that, with the common one, was found right. */
  holdsOfSchema: (name: string) => boolean;
  /** A channel that was found right with all that it depends on. Of its places only the layers are known. */
  channel: (name: string) => { located: Located<ChannelSettings>; layers: readonly string[] } | undefined;
  /** The value of a door that was found right, as the grammar has accepted it, by its name below the folder. */
  door: (name: string) => unknown;
}

/** The file in which the build writes what it found right. */
export const provenFile = fileURLToPath(new URL("../../assets/proven.json", import.meta.url));

/** The channels that ship, as far as the build found them right. */
export const shipped = lazily(() => provenIn(provenFile));

/** Reads the results of the build. If the file is missing there are none, and every load checks all channels. */
export function provenIn(file: string): Proven {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Proven;
  } catch {
    return { files: {}, channels: {}, doors: {} };
  }
}

export function digestOf(text: Buffer): string {
  return createHash("sha256").update(text).digest("base64");
}

/** Compare the texts of a folder with what was proven. The plugins must be those that ship, to which others may be added. */
export function createProof({ files, channels, doors }: Proven, texts: Pick<Texts, "readNow" | "shown">): Proof {
  const held = new Map<string, boolean>();
  const holdsOf = (name: string, text: Buffer) => {
    const holds = Object.hasOwn(files, name) && digestOf(text) === files[name];
    held.set(name, holds);
    return holds;
  };
  const isRead = (name: string) => held.get(name) ?? holdsOf(name, texts.readNow(name));
  const holds = (name: string) => {
    try {
      return isRead(name);
    } catch {
      return false;
    }
  };
  return {
    holdsOf,
    holdsOfSchema: (name) => holds("models/common.json") && holds(`models/${name}.json`),
    channel: (name) => {
      const found = Object.hasOwn(channels, name) ? channels[name] : undefined;
      if (!found || ![...found.layers, ...found.rest].every(holds)) return undefined;
      const layers = found.layers.map((layer) => texts.shown(layer));
      const value = structuredClone(found.value);
      for (const path of found.gone) takeAway(value, path);
      const at = (layer: number): Place => ({ source: sourceOf(String(layers[layer]), ""), key: 0, value: 0, end: 0, inside: () => 0 });
      const places = new Map(Object.entries({ "": 0, ...found.written }).map(([path, layer]) => [path, at(layer)]));
      return { located: { value, places }, layers };
    },
    door: (name) => (holds(name) ? structuredClone(doors[name]) : undefined),
  };
}

function takeAway(value: unknown, [key, ...below]: readonly string[]): void {
  const part = value as Record<string, unknown>;
  if (key === undefined) return;
  if (below.length > 0) takeAway(part[key], below);
  else part[key] = undefined;
}
