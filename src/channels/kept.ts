// Keeps what a load has made, so that the next one makes only what has changed.
import type { ChannelTests, Load } from "./channel.ts";
import type { ReadChannel } from "./files.ts";
import { prefixOf, readSecretFile, type Environment } from "./settings.ts";
import { recorded, type Texts } from "./texts.ts";

/** The files and channels that the last load found right. */
export interface Kept {
  /** The files in which nothing was wrong, by path. */
  right: ReadonlyMap<string, Buffer>;
  /** The channels that were right, by name. */
  made: ReadonlyMap<string, Made>;
}

/** A channel that was made, and all that it was made of. */
export interface Made extends Uses {
  tests: ChannelTests;
  /** Its own file, its presets and its schemas, by path; undefined for one that was not there. */
  files: ReadonlyMap<string, Buffer | undefined>;
  /** Its models with the names of their schemas. */
  schemas: readonly (readonly [id: string, name: string])[];
  env: Environment;
}

/** The text of a file by its path; undefined where there is none. */
export type TextOf = (file: string) => Buffer | undefined;

/** Files that a channel has read beside its own while it was compiled. */
export interface Uses {
  /** The documents that it sends, by name. */
  documents: Map<string, Buffer>;
  /** The files of secrets, by path. */
  secrets: Map<string, string | undefined>;
}

/** The same load, for one channel: what it reads is noted in `uses`. */
export function noting(load: Load): { load: Load; uses: Uses } {
  const { texts, readSecret = readSecretFile } = load;
  const uses: Uses = { documents: new Map(), secrets: new Map() };
  const noted = (path: string) => {
    const secret = readSecret(path);
    uses.secrets.set(path, secret);
    return secret;
  };
  return { load: { ...load, texts: recorded(texts, uses.documents), readSecret: noted }, uses };
}

/** True for a file in which nothing was wrong, with these bytes. */
export type IsRight = (file: string, text: Buffer | undefined) => boolean;

export function rightBefore(before: Kept | undefined): IsRight {
  return (file, text) => text !== undefined && before?.right.get(file)?.equals(text) === true;
}

/**
 * A channel that would be made again as it is: of the same files, documents and secrets, with models whose schemas are theirs in the other
 * channels too, and of variables that have not changed. `now` gives the text of a path.
 */
export function unchanged({ name, file }: ReadChannel, before: Kept, load: Load, now: TextOf): Made | undefined {
  const { env, schemaOf, texts, readSecret = readSecretFile } = load;
  const made = before.made.get(name);
  if (made?.tests.layers[0] !== file) return undefined;
  const { files, documents, secrets, schemas } = made;
  const holds =
    [...files].every(([path, text]) => isSame(text, now(path))) &&
    !isTouched(made, changedNames(made.env, env)) &&
    schemas.every(([id, schema]) => (schemaOf.get(id)?.name ?? schema) === schema) &&
    [...secrets].every(([path, secret]) => readSecret(path) === secret) &&
    [...documents].every(([path, text]) => isSame(text, textNow(texts, path)));
  if (!holds) return undefined;
  for (const [id, schema] of schemas) if (!schemaOf.has(id)) schemaOf.set(id, { name: schema, channel: name });
  return made;
}

function isSame(before: Buffer | undefined, now: Buffer | undefined): boolean {
  return before && now ? before.equals(now) : before === now;
}

function textNow(texts: Texts, name: string): Buffer | undefined {
  try {
    return texts.readNow(name);
  } catch {
    return undefined;
  }
}

function changedNames(before: Environment, now: Environment): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(now)])].filter((name) => before[name] !== now[name]);
}

/** True where a channel may read one of these variables: by its own name, since its file names it, or since it works out names. */
function isTouched({ tests, files }: Made, names: readonly string[]): boolean {
  if (names.length === 0) return false;
  const prefix = `${prefixOf(tests.channel.name)}_`;
  const written = tests.layers.map((file) => String(files.get(file)));
  return (
    names.some((name) => name.startsWith(prefix) || written.some((text) => text.includes(name))) ||
    written.some((text) => /\benv\b(?!\.\??\w+\b(?!\())/.test(text))
  );
}

/** Describes a channel that was just made, for the next load. */
export function madeOf(tests: ChannelTests, uses: Uses, { texts, schemaOf, env }: Load, now: TextOf): Made {
  const schemas = tests.channel.models.map((id) => [id, String(schemaOf.get(id)?.name)] as const);
  const paths = ["common", ...schemas.map(([, name]) => name)].map((name) => texts.shown(`models/${name}.json`));
  const files = new Map([...tests.layers, ...paths].map((path) => [path, now(path)]));
  return { tests, ...uses, files, schemas, env };
}
