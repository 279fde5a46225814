// Names the process that serves a request, so that others can tell whether it is still there.
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";

/** A name for this process that no other has, also none that has its number after it. */
export function ownName(): string {
  return `${hostname()}/${process.pid}/${randomBytes(6).toString("hex")}`;
}

/** True for a process of this machine that has ended; undefined where that cannot be told from here. */
export function hasEnded(owner: string, own: string): boolean | undefined {
  const [host, pid] = owner.split("/");
  if (host !== hostname()) return undefined;
  if (owner !== own && Number(pid) === process.pid) return true; // The number is ours now.
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
