// Supplies the texts of channel files: from their folders, from the environment, or from an earlier read of them.
import { readdir } from "node:fs/promises";
import { join, posix } from "node:path";
import { shownPath } from "../errors.ts";
import { fileLimits, readRegularFile, readRegularFileNow } from "./regular-file.ts";

/** The texts of a folder. Names are paths below it, with `/`. */
export interface Texts {
  /** The names directly below it, or below a folder of it; rejects where there is none. */
  list(below?: string): Promise<string[]>;
  /** Rejects where the file is not there or cannot be read. */
  read(name: string): Promise<Buffer>;
  /** The same at once. */
  readNow(name: string): Buffer;
  /** The file that has this name, as the operator would type its path. */
  shown(name: string): string;
}

/** The text that holds channels by their names, each as a file would; it is the variable's that it comes from. */
export const channelsVariable = "PICTOR_CHANNELS_JSON";

/** The texts of a folder, which may be named by its path. */
export function textsOfFolder(folder: string | Texts): Texts {
  return typeof folder === "string" ? textsIn(folder) : folder;
}

/**
 * The texts of a folder as they are now. One that is optional is empty where it is not there. One that is near, on the disk of the package
 * itself, is read without waiting, since awaiting each of some 250 files costs several times as much CPU.
 */
export function textsIn(folder: string, { optional = false, near = false } = {}): Texts {
  const limitOf = (name: string) => (/\.ya?ml$/.test(name) ? fileLimits.yaml : fileLimits.json);
  const readNow = (name: string) => readRegularFileNow(join(folder, name), limitOf(name));
  return {
    list: async (below = ".") => {
      const names = await readdir(join(folder, below)).catch((error: unknown) => {
        if (optional && isAbsent(error)) return [];
        throw error;
      });
      return names.map((name) => posix.join(below, name));
    },
    read: async (name) => (near ? readNow(name) : readRegularFile(join(folder, name), limitOf(name))),
    readNow,
    shown: (name) => shownPath(join(folder, name)),
  };
}

/** True for the error of a file that is not there. */
export function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

/** Texts held in memory, by name. */
export function textsOf(texts: ReadonlyMap<string, Buffer>, shown: Texts["shown"] = (name) => name): Texts {
  const readNow = (name: string) => {
    const text = texts.get(name);
    if (text === undefined) throw Object.assign(new Error("it was not there"), { code: "ENOENT" });
    return text;
  };
  return {
    list: (below = ".") => Promise.resolve([...texts.keys()].filter((name) => posix.dirname(name) === below)),
    read: async (name) => Promise.resolve(readNow(name)),
    readNow,
    shown,
  };
}

/** Folders laid over each other, the uppermost first: a file takes the place of those below it that have its name, whatever their ending. */
export function layered(layers: readonly Texts[]): Texts {
  const homes = new Map<string, Texts>();
  const homesOf = (name: string) => [homes.get(name) ?? layers].flat();
  const readNow = (name: string) => {
    let absent: unknown;
    for (const layer of homesOf(name)) {
      try {
        return layer.readNow(name);
      } catch (error) {
        if (!isAbsent(error)) throw error;
        absent ??= error;
      }
    }
    throw absent;
  };
  return {
    list: async (below = ".") => {
      const above = new Set<string>();
      const listed: string[] = [];
      for (const layer of layers) {
        // A layer need not have every folder.
        const names = await layer.list(below).catch((error: unknown) => {
          if (below !== "." && isAbsent(error)) return [];
          throw error;
        });
        const own = names.filter((name) => !above.has(withoutEnding(name)));
        for (const name of own) homes.set(name, layer);
        for (const name of own) above.add(withoutEnding(name));
        listed.push(...own);
      }
      return listed;
    },
    read: async (name) => homes.get(name)?.read(name) ?? readNow(name),
    readNow,
    shown: (name) => (homesOf(name)[0] as Texts).shown(name),
  };
}

function withoutEnding(name: string): string {
  return name.replace(/\.(ya?ml|json)$/, "");
}

/** The same texts; `into` gets each that is read. One that is as it was `before`, by its path, is the same buffer, and so is parsed once. */
export function recorded(texts: Texts, into: Map<string, Buffer>, before?: { right: ReadonlyMap<string, Buffer> }): Texts {
  const kept = (name: string, text: Buffer) => {
    const known = before?.right.get(texts.shown(name));
    const one = known?.equals(text) ? known : text;
    into.set(name, one);
    return one;
  };
  return {
    list: (below) => texts.list(below),
    read: async (name) => kept(name, await texts.read(name)),
    readNow: (name) => kept(name, texts.readNow(name)),
    shown: (name) => texts.shown(name),
  };
}

/** The same texts, where `known` has some of them already. */
export function knownIn(texts: Texts, known: ReadonlyMap<string, Buffer>): Texts {
  return {
    list: (below) => texts.list(below),
    read: async (name) => known.get(name) ?? texts.read(name),
    readNow: (name) => known.get(name) ?? texts.readNow(name),
    shown: (name) => texts.shown(name),
  };
}
