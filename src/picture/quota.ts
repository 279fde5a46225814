// Keeps what is stored within a number of bytes: the oldest pictures go first.
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";

/** A bound on the bytes of a store's pictures. */
export interface Quota {
  /** So many bytes were stored. Where there may be too many now, the oldest are removed in the background. */
  add(bytes: number): void;
  /** Resolves when nothing is being removed. */
  settled: () => Promise<void>;
}

/** Parts of `PICTOR_DATA_MAX` that a process stores between two looks at the whole: other processes store in the same folder. */
export const looks = 20;

/**
 * Bound the pictures that the links in a folder name to `most` bytes. Links are removed, oldest first, down to nine tenths of it; `sweep` then
 * removes the pictures that no link names.
 */
export function createQuota(links: string, most: number, sweep: () => Promise<unknown>): Quota {
  // The usage at the start is unknown before the first scan.
  let unseen = Infinity;
  let looking: Promise<void> = Promise.resolve();

  async function trim(): Promise<void> {
    const all = await linksOf(links);
    const counted = new Map<string, { bytes: number; links: number }>();
    let total = 0;
    for (const { hash, bytes } of all) {
      const known = counted.get(hash);
      if (!known) total += bytes;
      counted.set(hash, { bytes, links: (known?.links ?? 0) + 1 });
    }
    if (total <= most) return;
    // The newest stays: it is no larger than the bound.
    for (const { file, hash, bytes } of all.toSorted((one, other) => one.made - other.made).slice(0, -1)) {
      if (total <= most * 0.9) break;
      await rm(file, { force: true });
      const left = (counted.get(hash)?.links ?? 1) - 1;
      counted.set(hash, { bytes, links: left });
      if (left === 0) total -= bytes;
    }
    await sweep();
  }

  return {
    add: (bytes) => {
      if (most === Infinity) return;
      unseen += bytes;
      if (unseen <= most / looks) return;
      unseen = 0;
      // A disk that cannot be read shows in the next save.
      looking = looking.then(trim).catch(() => undefined);
    },
    settled: () => looking,
  };
}

interface Link {
  file: string;
  hash: string;
  bytes: number;
  /** Epoch milliseconds. */
  made: number;
}

/** The links of a folder; those that another process removed meanwhile, and broken ones, are left out. */
async function linksOf(folder: string): Promise<Link[]> {
  const found: Link[] = [];
  for (const id of await readdir(folder)) {
    const file = join(folder, id);
    try {
      const { hash, bytes } = JSON.parse(await readFile(file, "utf8")) as Pick<Link, "hash" | "bytes">;
      found.push({ file, hash, bytes, made: (await stat(file)).mtimeMs });
    } catch {
      continue;
    }
  }
  return found;
}
