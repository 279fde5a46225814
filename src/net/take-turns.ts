// Lets other requests have their turn while a large body is read.
import { setImmediate } from "node:timers/promises";

/** Part of a body after which other requests have their turn, in bytes: small requests do not wait behind large pictures. */
export const most = 256 * 1024;

/**
 * Called with each chunk of one body, it says when to wait for everybody else. A fast connection is otherwise read 32 times, with all that is
 * done to what it brings, before the event loop looks at the next one, and small requests wait behind large pictures.
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
