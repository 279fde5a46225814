// Notices changes of the operator's files.
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/** Files by their path, each with what changes when it is written, replaced or linked elsewhere. */
export type Snapshot = ReadonlyMap<string, string>;

/**
 * The files that a load of these folders and files depends on. Names that begin with a dot are left out: editors keep theirs so, and Kubernetes
 * the folders that its links lead to; those of `paths` themselves are meant. What cannot be read is not there.
 */
export async function snapshotOf(paths: readonly string[]): Promise<Snapshot> {
  const found = new Map<string, string>();
  const visit = async (path: string, isMeant = false): Promise<void> => {
    const stats = await stat(path).catch(() => undefined);
    if (stats?.isDirectory()) {
      const names = await readdir(path).catch(() => []);
      await Promise.all(names.filter((name) => !name.startsWith(".")).map((name) => visit(join(path, name))));
    } else if (stats && (isMeant || /\.(ya?ml|json)$/.test(path)))
      found.set(path, [stats.ino, stats.size, stats.mtimeMs, stats.ctimeMs].join());
  };
  for (const path of paths) await visit(path, true);
  return found;
}

/** The paths at which two snapshots differ. */
export function changedPaths(before: Snapshot, after: Snapshot): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].filter((path) => before.get(path) !== after.get(path));
}

/** Time between two looks at the operator's files, in milliseconds: a mounted volume reports no change. */
export const lookEvery = 500;

/**
 * Report a change below these folders and files, against what a reload has `seen`, once it has been still for one look: editors and copies
 * write in several steps. Looking sees what no file system reports, such as a mounted volume, or a folder of links that is swapped.
 */
export function watchPaths(paths: readonly string[], seen: () => Snapshot, changed: () => void): { close: () => Promise<void> } {
  let last = seen();
  let looking = Promise.resolve();
  const look = async () => {
    const now = await snapshotOf(paths);
    const isStill = changedPaths(last, now).length === 0;
    last = now;
    if (isStill && changedPaths(seen(), now).length > 0) changed();
  };
  const timer = setInterval(() => {
    // A look that fails must not be the last.
    looking = looking.then(look).catch(() => undefined);
  }, lookEvery);
  return {
    close: () => {
      clearInterval(timer);
      return looking;
    },
  };
}
