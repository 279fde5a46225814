// Lets other requests have their turn while a large body is read.
import { setImmediate } from "node:timers/promises";

/** Amount of a body that is read before other requests have their turn, in bytes: small requests must not wait behind large pictures. */
export const most = 256 * 1024;

/**
 * Returns a function to call with each chunk of one body; await its result, so that other requests have their turn now and then. Otherwise a fast
 * connection is read 32 times, and all its chunks are processed, before the event loop looks at the next one.
 */
export function takeTurns(): (chunk: Buffer) => Promise<void> | undefined {
  let since = 0;
  return ({ length }) => {
    since += length;
    if (since < most) return undefined;
    since = 0;
    return setImmediate();
  };
}
