// Supplies the texts of channel files: from their folder, or from an earlier read of it.
import { readdir } from "node:fs/promises";
import { join, posix } from "node:path";
import { fileLimits, readRegularFile, readRegularFileNow } from "./regular-file.ts";

/** The texts of a folder. Names are paths below it, with `/`. */
export interface Texts {
  /** The names directly below it, or below a folder of it; rejects where there is none. */
  list(below?: string): Promise<string[]>;
  /** Rejects where the file is not there or cannot be read. */
  read(name: string): Promise<Buffer>;
  /** The same at once. */
  readNow(name: string): Buffer;
}

/** The texts of a folder as they are now. */
export function textsIn(folder: string): Texts {
  const limitOf = (name: string) => (/\.ya?ml$/.test(name) ? fileLimits.yaml : fileLimits.json);
  return {
    list: async (below = ".") => (await readdir(join(folder, below))).map((name) => posix.join(below, name)),
    read: (name) => readRegularFile(join(folder, name), limitOf(name)),
    readNow: (name) => readRegularFileNow(join(folder, name), limitOf(name)),
  };
}

/** Texts that are at hand, by name. */
export function textsOf(texts: ReadonlyMap<string, Buffer>): Texts {
  const readNow = (name: string) => {
    const text = texts.get(name);
    if (text === undefined) throw Object.assign(new Error("it was not there"), { code: "ENOENT" });
    return text;
  };
  return {
    list: (below = ".") => Promise.resolve([...texts.keys()].filter((name) => posix.dirname(name) === below)),
    read: async (name) => Promise.resolve(readNow(name)),
    readNow,
  };
}

/** The same texts; `into` gets each that is read. */
export function recorded(texts: Texts, into: Map<string, Buffer>): Texts {
  const kept = (name: string, text: Buffer) => {
    into.set(name, text);
    return text;
  };
  return {
    list: (below) => texts.list(below),
    read: async (name) => kept(name, await texts.read(name)),
    readNow: (name) => kept(name, texts.readNow(name)),
  };
}
