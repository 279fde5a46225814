// Keeps the stored pictures within a number of bytes: the oldest are removed first.
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";

/** A bound on the total size of a store's pictures. */
export interface Quota {
  /** Reports that this many bytes were stored. If there may be too many now, the oldest pictures are removed in the background. */
  add(bytes: number): void;
  /** Resolves when no removal is under way. */
  settled: () => Promise<void>;
}

/** Parts of `PICTOR_DATA_MAX`, one of which a process may store before it counts the folder again: other processes store in the same folder. */
export const looks = 20;

/**
 * Bounds the pictures named by the links of a folder to `most` bytes. When they exceed it, links are removed, oldest first, until nine tenths of
 * `most` are left; then `sweep` removes the pictures that no link names.
 */
export function createQuota(links: string, most: number, sweep: () => Promise<unknown>): Quota {
  // The size of the store is unknown before the first scan.
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
    // The newest picture always stays; it is no larger than the bound.
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
      // If the disk cannot be read, the next save reports it.
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

/** The links of a folder, without broken ones and those that another process has removed meanwhile. */
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
