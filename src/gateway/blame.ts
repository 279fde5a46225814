// Decides which scope an attempt's error counts against, which scopes it proves well, and how long a cool-down it earns.
import type { CoolDown } from "../channels/limits.ts";
import { ProviderFailure } from "../errors.ts";
import type { Scopes } from "./candidate.ts";

export interface Blame {
  /** The scope at fault; absent where none is. */
  of?: keyof Scopes;
  /** The scopes that have shown to be well. */
  clears: readonly (keyof Scopes)[];
  coolDown: CoolDown;
  /** Milliseconds that the provider named. */
  wait?: number;
  /** A single failure is enough for a cool-down. */
  atOnce?: boolean;
}

/** The scopes of a candidate, the widest first. */
export const scopeNames = ["channel", "route", "key", "keyOnRoute"] as const;

/** Cool-down of a key that was turned away, in milliseconds: it is turned away each time, until somebody mends it. */
export const refusedKey = { first: 60_000, max: 3_600_000 };

/** Cool-down of a key that asked too much, in milliseconds: it may soon ask again. */
export const limitedKey = { first: 1000, max: 60_000 };

/**
 * Blame for the error of an attempt, or for none, on a channel with this cool-down; nothing where the error is not the provider's. A
 * refusal, or a request that the provider finds wrong, shows that all is well.
 */
export function blameFor(error: unknown, coolDown: CoolDown): Blame | undefined {
  if (error === undefined) return { clears: scopeNames, coolDown };
  if (!(error instanceof ProviderFailure)) return undefined;
  const { kind, details } = error;
  const wait = details.retryAfter === undefined ? undefined : details.retryAfter * 1000;
  const answered = { coolDown, wait, clears: ["channel"] } as const;
  switch (kind) {
    case "invalid_request":
    case "refused":
      return { clears: scopeNames, coolDown };
    case "auth":
      // A key may be good for one model and not for another.
      return { ...answered, of: details.status === 403 ? "keyOnRoute" : "key", coolDown: { after: 1, ...refusedKey } };
    case "quota":
      return { ...answered, of: "key", coolDown: { after: 1, ...refusedKey } };
    case "rate_limit":
      return { ...answered, of: "keyOnRoute", coolDown: { after: 1, ...limitedKey } };
    case "overloaded":
      return { ...answered, of: "route", atOnce: wait !== undefined };
    case "failed":
    case "timeout":
    case "bad_response": {
      if (details.status === 404 || details.status === 405) return { ...answered, of: "route" };
      const unreachable = details.notAccepted === true && details.status === undefined;
      return { of: "channel", clears: [], coolDown, wait, atOnce: unreachable || wait !== undefined };
    }
  }
}
