// Keeps the failures of each scope, its cool-down, and the half-open trial that follows.
import type { Blame } from "./blame.ts";

/** A scope as seen by a request that could use it. */
export interface Standing {
  /** `well`; `cooling_down`, to be avoided; or `rate_limited`, to be left alone, since the provider named a time that is not over. */
  state: "well" | "cooling_down" | "rate_limited";
  /** When that ends, in milliseconds of the clock. */
  until: number;
}

/** A cool-down that is not over. */
export interface ActiveCoolDown {
  scope: string;
  /** Milliseconds of the clock. */
  until: number;
  failures: number;
  /** True where the provider named the time. */
  named: boolean;
}

/** A cool-down as one instance reports it, with the milliseconds that are left in place of a time. */
export interface ReportedCoolDown extends Pick<ActiveCoolDown, "failures" | "named"> {
  coolDown: number;
}

/** All times are milliseconds of the clock. */
interface Entry {
  failures: number;
  lastFailure: number;
  /** When the latest cool-down began; 0 while there was none. */
  since: number;
  until: number;
  named: boolean;
  /** When a request was let through to try the scope after its cool-down. */
  trialSince?: number;
}

/** Time after which another request may try a channel after its cool-down, in milliseconds: the first one has not come back. */
export const trialTime = 60_000;

/**
 * Time that a provider names and that is believed, in milliseconds: a longer wait would save little, since one failed trial ends the next
 * one too, and a single answer could take a channel out of service for weeks.
 */
export const longestNamed = 600_000;

const fresh: Entry = { failures: 0, lastFailure: 0, since: 0, until: 0, named: false };

/** The cool-downs of all scopes, by a clock in milliseconds. */
export function createCoolDowns(now: () => number) {
  const entries = new Map<string, Entry>();
  /** The entry of a scope that is in a cool-down, or has not proven itself since. */
  const suspect = (scope: string) => {
    const entry = entries.get(scope);
    return entry?.since ? entry : undefined;
  };
  return {
    standing: (scope: string): Standing => {
      const entry = suspect(scope);
      return entry ? standingOf(entry, now()) : { state: "well", until: now() };
    },
    /** A trial begins, where the scope needs one; gives whether it does. */
    beginTrial: (scope: string): boolean => {
      const entry = suspect(scope);
      if (entry) entry.trialSince = now();
      return entry !== undefined;
    },
    /** A trial is over without a result. */
    endTrial: (scope: string): void => {
      const entry = entries.get(scope);
      if (entry) entry.trialSince = undefined;
    },
    /** The scope failed in an attempt that began at this time. Gives the cool-down that begins, if one does. */
    fail: (scope: string, began: number, blame: Blame): ActiveCoolDown | undefined => {
      const time = now();
      const before = entries.get(scope);
      const entry = afterFailure(before, { began, time, blame });
      entries.set(scope, entry);
      const { until, failures, named } = entry;
      return until > Math.max(before?.until ?? 0, time) ? { scope, until, failures, named } : undefined;
    },
    /** The scope did well in an attempt that began at this time. Gives whether that ends a cool-down or its trial. */
    recover: (scope: string, began: number): boolean => {
      const entry = entries.get(scope);
      // An attempt that began before the cool-down says nothing about its cause.
      if (!entry || entry.since > began) return false;
      entries.delete(scope);
      return entry.since > 0;
    },
    /** Take over a cool-down from another instance, unless one here lasts longer. */
    adopt: (scope: string, { coolDown, failures, named }: ReportedCoolDown): void => {
      const [entry, time] = [entries.get(scope), now()];
      const until = time + (named ? Math.min(coolDown, longestNamed) : coolDown);
      if (entry && entry.until > until) return;
      entries.set(scope, { failures: Math.max(failures, entry?.failures ?? 0), lastFailure: time, since: time, until, named });
    },
    /** Forget the scope; gives whether it was in a cool-down, or had not proven itself since. */
    forget: (scope: string): boolean => {
      const wasSuspect = suspect(scope) !== undefined;
      entries.delete(scope);
      return wasSuspect;
    },
    scopes: (): string[] => [...entries.keys()],
    active: (): ActiveCoolDown[] => {
      const time = now();
      return [...entries].flatMap(([scope, { until, failures, named }]) => (until > time ? [{ scope, until, failures, named }] : []));
    },
  };
}

/** The standing of a scope that has been in a cool-down. */
function standingOf({ until, named, trialSince }: Entry, time: number): Standing {
  if (until > time) return { state: named ? "rate_limited" : "cooling_down", until };
  return { state: trialSince !== undefined && time - trialSince < trialTime ? "cooling_down" : "well", until: time };
}

/** A failure added to those before it, which are forgotten where they are longer ago than the longest cool-down. */
function afterFailure(before: Entry | undefined, { began, time, blame }: { began: number; time: number; blame: Blame }): Entry {
  const { coolDown, wait, atOnce } = blame;
  const known = before && time - Math.max(before.lastFailure, before.until) <= coolDown.max ? before : fresh;
  // An attempt that began before the cool-down adds nothing to its cause.
  const isStale = known.since > began;
  const failures = isStale ? known.failures : known.failures + 1;
  const growth = failures - (atOnce ? 1 : coolDown.after);
  const grown = isStale || growth < 0 ? 0 : Math.min(coolDown.first * 2 ** growth, coolDown.max);
  const until = time + (wait === undefined ? grown : Math.min(wait, longestNamed));
  const begins = until > Math.max(known.until, time);
  const latest = begins ? { since: time, until, named: wait !== undefined } : known;
  return { failures, lastFailure: time, since: latest.since, until: latest.until, named: latest.named };
}
