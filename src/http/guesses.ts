// Slows those who guess keys: of an address only so many wrong keys are judged in a minute.
import { isIP } from "node:net";
import { GatewayError } from "../errors.ts";

/** Wrong keys of one address in a minute: a program that is misconfigured shows itself by fewer, and a guess succeeds by none. */
export const mostGuesses = 20;

/** Time for which the wrong keys of an address are counted, in milliseconds: no person waits longer before typing a key again. */
export const guessWindow = 60_000;

/** Addresses whose wrong keys are counted: of more, the one that began first is forgotten, since whoever has many is stopped by no count. */
export const mostGuessers = 10_000;

export interface Guesses {
  /** Seconds until a key from this address is judged again; undefined where it may be judged now. */
  wait(address: string): number | undefined;
  /** Count a wrong key. True for the one after which no more are judged. */
  count(address: string): boolean;
}

/** Counts in memory, for this process alone. `now` gives milliseconds that only grow. */
export function createGuesses(now: () => number = () => performance.now()): Guesses {
  const windows = new Map<string, { end: number; wrong: number }>();
  const current = (network: string) => {
    const window = windows.get(network);
    return window && window.end > now() ? window : undefined;
  };
  return {
    wait: (address) => {
      const window = current(networkOf(address));
      return window && window.wrong >= mostGuesses ? Math.ceil((window.end - now()) / 1000) : undefined;
    },
    count: (address) => {
      const network = networkOf(address);
      const window = current(network) ?? { end: now() + guessWindow, wrong: 0 };
      window.wrong += 1;
      if (window.wrong === 1) {
        // The map has the oldest first.
        windows.delete(network);
        const [oldest] = windows.keys();
        if (windows.size >= mostGuessers && oldest !== undefined) windows.delete(oldest);
        windows.set(network, window);
      }
      return window.wrong === mostGuesses;
    },
  };
}

/** The error for a key that is not judged. */
export function tooManyGuesses(seconds: number): GatewayError {
  return new GatewayError(
    "rate_limit_exceeded",
    `too many wrong keys came from this address; send the right one again in ${seconds} seconds`,
    { retryAfter: seconds },
  );
}

/** The address, or of IPv6 the 64 bits that a site has: the rest is its own to choose. Whatever is no address counts as one. */
function networkOf(address: string): string {
  const family = isIP(address);
  if (family === 4) return address;
  if (family === 0) return "";
  const [, mapped] = /^::ffff:([\d.]+)$/i.exec(address) ?? [];
  if (mapped !== undefined) return mapped;
  const [head = [], tail] = address.split("::").map((part) => (part === "" ? [] : part.split(":")));
  const groups = tail === undefined ? head : head.concat(Array<string>(8 - head.length - tail.length).fill("0"), tail);
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":");
}
