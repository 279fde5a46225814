// Names the process that serves a request, so that others can see whether it is still there.
import { randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

/**
 * Names the space in which the number of a process is its own: the machine since its start, and on Linux the container too, since containers on
 * the network of their host have its name.
 */
export const space = [
  hostname(),
  readOr(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8")),
  readOr(() => readlinkSync("/proc/self/ns/pid")),
]
  .join(" ")
  .replaceAll(/[\s/]+/g, " ")
  .trim();

/** Nothing where this system has no such file. */
function readOr(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}

/** A name for this process that no other has, also none that has its number after it. */
export function ownName(): string {
  return `${space}/${process.pid}/${randomBytes(6).toString("hex")}`;
}

/** True for a process of this machine, or of this container, that has ended; undefined where that cannot be seen from here. */
export function hasEnded(owner: string, own: string): boolean | undefined {
  const [where, pid] = owner.split("/");
  if (where !== space) return undefined;
  return (owner !== own && Number(pid) === process.pid) || isGone(Number(pid)); // The number may be ours now.
}

/** True where no process here has this number. */
export function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    // Another user's is there all the same.
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
