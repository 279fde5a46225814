// Notices changes of the operator's files.
import { readdirSync, statSync, type Stats } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { shippedFolder } from "./environment.ts";

/** Files by their path, each with what changes when it is written, replaced or linked elsewhere. */
export type Snapshot = ReadonlyMap<string, string>;

/**
 * The files that a load of these folders and files depends on. Names that begin with a dot are left out: editors keep theirs so, and Kubernetes
 * the folders that its links lead to; those of `paths` themselves are meant. What cannot be read is not there. The folder that is `near`, on the
 * disk of the package itself, is looked at without waiting: there are some 250 files, and awaiting each costs four times as much CPU.
 */
export async function snapshotOf(paths: readonly string[], near = shippedFolder): Promise<Snapshot> {
  const found = new Map<string, string>();
  const visit = async (path: string, isMeant = false): Promise<void> => {
    const stats = await stat(path).catch(() => undefined);
    if (stats?.isDirectory()) {
      const names = await readdir(path).catch(() => []);
      await Promise.all(names.filter(isShown).map((name) => visit(join(path, name))));
    } else if (stats && (isMeant || isOurs(path))) found.set(path, markOf(stats));
  };
  for (const path of paths)
    if (path === near) visitNow(path, found);
    else await visit(path, true);
  return found;
}

function visitNow(path: string, found: Map<string, string>): void {
  try {
    const stats = statSync(path);
    if (stats.isDirectory()) for (const name of readdirSync(path).filter(isShown)) visitNow(join(path, name), found);
    else if (isOurs(path)) found.set(path, markOf(stats));
  } catch {
    // Not there, as far as a load is concerned.
  }
}

const isShown = (name: string) => !name.startsWith(".");

const isOurs = (path: string) => /\.(ya?ml|json)$/.test(path);

function markOf({ ino, size, mtimeMs, ctimeMs }: Stats): string {
  return [ino, size, mtimeMs, ctimeMs].join();
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
