// Removes from the store expired pictures, and files that a process left behind.
import { randomBytes } from "node:crypto";
import { readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";

/** The picture that an id of the store leads to. `expires` is in epoch milliseconds. */
export interface Link {
  hash: string;
  mediaType: string;
  bytes: number;
  expires: number;
}

/** The folders of a store, and its clock. */
interface Folders {
  pictures: string;
  links: string;
  now: () => number;
}

type Remove = (file: string) => Promise<void>;

/** Age from which a half-written picture is removed, in milliseconds: a process that is gone has left it behind. */
export const temporaryLife = 60 * 60 * 1000;

/** Removes expired pictures and files left behind; resolves with the number of files removed. Pictures that are being saved survive. */
export async function sweepStore(store: Folders): Promise<number> {
  let removed = 0;
  const remove: Remove = async (file) => {
    await rm(file, { force: true });
    removed += 1;
  };
  const files = await readdir(store.pictures);
  const live = await linked(store, remove);
  const taken = new Map<string, string>();
  for (const name of files) {
    const file = join(store.pictures, name);
    if (name.endsWith(".tmp")) {
      // `ctime`, since a rename changes it: a picture that another process has just moved aside is not old.
      const changed = (await statOf(file))?.ctimeMs ?? Infinity;
      if (changed + temporaryLife < store.now()) await remove(file);
    } else if (!live.has(name)) {
      const aside = temporaryIn(store.pictures);
      if (await moved(file, aside)) taken.set(name, aside);
    }
  }
  if (taken.size === 0) return removed;
  const liveNow = await linked(store, remove);
  for (const [name, aside] of taken) {
    if (liveNow.has(name)) await rename(aside, join(store.pictures, name));
    else await remove(aside);
  }
  return removed;
}

/** The hashes named by the links that have not expired. Expired and broken links are removed. */
async function linked({ links, now }: Folders, remove: Remove): Promise<Set<string>> {
  const hashes = new Set<string>();
  for (const id of await readdir(links)) {
    const link = await readLink(join(links, id));
    if (link !== undefined && link.expires > now()) hashes.add(link.hash);
    else await remove(join(links, id));
  }
  return hashes;
}

/** A name for a file that is being written. */
export function temporaryIn(folder: string): string {
  return join(folder, `${randomBytes(12).toString("hex")}.tmp`);
}

/** Reads a link; undefined if there is none, or a power cut left half of one. */
export async function readLink(file: string): Promise<Link | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as Link;
  } catch {
    return undefined;
  }
}

/** The size and time of a file; undefined if another process removed it first. */
export async function statOf(file: string): Promise<{ size: number; ctimeMs: number } | undefined> {
  return stat(file).catch(() => undefined);
}

/** Renames a file; false if another process removed it first. */
async function moved(from: string, to: string): Promise<boolean> {
  return rename(from, to).then(
    () => true,
    () => false,
  );
}
