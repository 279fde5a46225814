// When a channel, a key or a model is better left alone for a while.
import type { CoolDown } from "../channels/limits.ts";
import { ProviderFailure } from "../errors.ts";
import type { Candidate, Subjects } from "./candidate.ts";

/** How a candidate stands: `well`, `resting` (better left alone), or `held` (the provider named a time, and it is not over). */
export interface Standing {
  state: "well" | "resting" | "held";
  /** When it is over, in milliseconds of the clock. */
  until: number;
}

/** What instances tell each other of a subject: that it rests for so many milliseconds, that one tries it, or that it is well. */
export type Told = { rests: number; failures: number; named: boolean } | "tried" | "well";

/** A subject that rests, for those who look. */
export interface Resting {
  subject: string;
  until: number;
  failures: number;
}

/**
 * Who is better left alone for a while, learnt from the answers of real requests alone: no picture is ordered to find out. After a rest one
 * request is let through to try; the rests grow until one succeeds.
 */
export interface Health {
  standing(candidate: Candidate): Standing;
  /** Whether this request may go to a candidate that is well: after a rest it is the one that tries, or another is, here or elsewhere. */
  mayTry(candidate: Candidate): Promise<boolean>;
  /** An attempt begins; it is the one that tries where the candidate rested. Gives what `ended` wants back. */
  began(candidate: Candidate): number;
  /** An attempt that was begun so is over; `error` is what it failed with. Resolves with what rests from now on, if anything does. */
  ended(candidate: Candidate, began: number, error?: unknown): Resting | undefined;
  /** What another instance learnt. */
  hear(subject: string, told: Told): void;
  resting(): Resting[];
  /** Forget every failure and lift every cool-down of a channel, its models and its keys, here and elsewhere. */
  clear: (channel: string) => void;
}

interface State {
  failures: number;
  last: number;
  /** When the latest rest began; 0 while there was none. */
  since: number;
  until: number;
  named: boolean;
  /** When somebody was let through to try. */
  tried?: number;
}

/** Milliseconds after which another may try, where the first has not come back. */
const tryTime = 60_000;

/**
 * Milliseconds for which a time that a provider named is believed. Ended by one failed try, a longer wait would gain little; believed, a single
 * answer could take a channel out of service for weeks.
 */
const longestNamed = 600_000;

/** A key that is turned away is turned away each time, until somebody mends it; one that asked too much soon may again. */
const rests: Record<"refused" | "limited", CoolDown> = {
  refused: { after: 1, first: 60_000, max: 3_600_000 },
  limited: { after: 1, first: 1000, max: 60_000 },
};

const names = ["channel", "route", "key", "keyOnRoute"] as const;

export function createHealth(
  now: () => number,
  tell: (subject: string, told: Told) => void = () => undefined,
  claim: (subject: string, milliseconds: number) => Promise<boolean> = () => Promise.resolve(true),
): Health {
  const states = new Map<string, State>();

  const isTried = ({ tried }: State) => tried !== undefined && now() - tried < tryTime;

  function standingOf(state: State | undefined): Standing {
    const time = now();
    if (!state?.since) return { state: "well", until: time };
    if (state.until > time) return { state: state.named ? "held" : "resting", until: state.until };
    return { state: isTried(state) ? "resting" : "well", until: time };
  }

  function recovered(subject: string, began: number): void {
    const state = states.get(subject);
    // What began before a rest tells nothing of what led to it.
    if (!state || state.since > began) return;
    states.delete(subject);
    if (state.since) tell(subject, "well");
  }

  function failed(subject: string, began: number, { coolDown, wait, atOnce }: Fault): Resting | undefined {
    const time = now();
    const before = states.get(subject);
    const state =
      before && time - Math.max(before.last, before.until) <= coolDown.max
        ? before
        : { failures: 0, last: 0, since: 0, until: 0, named: false };
    states.set(subject, state);
    state.last = time;
    state.tried = undefined;
    const isStale = state.since > began;
    if (!isStale) state.failures += 1;
    const growth = atOnce ? state.failures - 1 : state.failures - coolDown.after;
    const own = isStale || growth < 0 ? 0 : Math.min(coolDown.first * 2 ** growth, coolDown.max);
    const until = time + (wait === undefined ? own : Math.min(wait, longestNamed));
    if (until <= Math.max(state.until, time)) return undefined;
    Object.assign(state, { since: time, until, named: wait !== undefined });
    tell(subject, { rests: until - time, failures: state.failures, named: state.named });
    return { subject, until, failures: state.failures };
  }

  return {
    standing: ({ subjects }) =>
      names
        .map((name) => standingOf(states.get(subjects[name])))
        .reduce((worst, one) => {
          const graver = severity[one.state] - severity[worst.state];
          return graver > 0 || (graver === 0 && one.until > worst.until) ? one : worst;
        }),
    mayTry: async ({ subjects }) => {
      const rested = names.flatMap((name) => {
        const state = states.get(subjects[name]);
        return state?.since ? [{ subject: subjects[name], state }] : [];
      });
      // Known here at once, before anything is waited for.
      for (const { state } of rested) state.tried = now();
      for (const { subject } of rested) if (!(await claim(subject, tryTime))) return false;
      return true;
    },
    began: ({ subjects }) => {
      const time = now();
      for (const name of names) {
        const state = states.get(subjects[name]);
        if (!state?.since) continue;
        state.tried = time;
        tell(subjects[name], "tried");
      }
      return time;
    },
    ended: ({ route, subjects }, began, error) => {
      const fault = faultOf(error, route.channel.coolDown);
      let rest: Resting | undefined;
      for (const name of names) {
        if (fault?.of === name) rest = failed(subjects[name], began, fault);
        else if (fault?.clears.includes(name)) recovered(subjects[name], began);
        else {
          const state = states.get(subjects[name]);
          if (state) state.tried = undefined;
        }
      }
      return rest;
    },
    hear: (subject, told) => {
      const state = states.get(subject);
      if (told === "well") states.delete(subject);
      else if (told === "tried") {
        if (state) state.tried = now();
      } else {
        const until = now() + (told.named ? Math.min(told.rests, longestNamed) : told.rests);
        if (state && state.until > until) return;
        const failures = Math.max(told.failures, state?.failures ?? 0);
        states.set(subject, { failures, last: now(), since: now(), until, named: told.named });
      }
    },
    clear: (channel) => {
      for (const [subject, { since }] of states) {
        if (subject !== channel && !subject.startsWith(`${channel}/`) && !subject.startsWith(`${channel}#`)) continue;
        states.delete(subject);
        if (since) tell(subject, "well");
      }
    },
    resting: () => {
      const time = now();
      return [...states].filter(([, { until }]) => until > time).map(([subject, { until, failures }]) => ({ subject, until, failures }));
    },
  };
}

const severity = { well: 0, resting: 1, held: 2 };

interface Fault {
  /** Whose fault it is; nobody's where it is absent. */
  of?: keyof Subjects;
  /** Who has shown to be well. */
  clears: readonly (keyof Subjects)[];
  coolDown: CoolDown;
  /** Milliseconds that the provider named. */
  wait?: number;
  /** Whether one failure is enough. */
  atOnce?: boolean;
}

/** Whose fault a failure is. A refusal, or a request that the provider finds wrong, shows that all is well. */
function faultOf(error: unknown, coolDown: CoolDown): Fault | undefined {
  if (error === undefined) return { clears: names, coolDown };
  if (!(error instanceof ProviderFailure)) return undefined;
  const { kind, details } = error;
  const wait = details.retryAfter === undefined ? undefined : details.retryAfter * 1000;
  const asked = { coolDown, wait, clears: ["channel"] } as const;
  switch (kind) {
    case "invalid_request":
    case "refused":
      return { clears: names, coolDown };
    case "auth":
      // A key may be good for one model and not for another.
      return { ...asked, of: details.status === 403 ? "keyOnRoute" : "key", coolDown: rests.refused };
    case "quota":
      return { ...asked, of: "key", coolDown: rests.refused };
    case "rate_limit":
      return { ...asked, of: "keyOnRoute", coolDown: rests.limited };
    case "overloaded":
      return { ...asked, of: "route", atOnce: wait !== undefined };
    case "failed":
    case "timeout":
    case "bad_response": {
      if (details.status === 404 || details.status === 405) return { ...asked, of: "route" };
      const unreachable = details.notAccepted === true && details.status === undefined;
      return { of: "channel", clears: [], coolDown, wait, atOnce: unreachable || wait !== undefined };
    }
  }
}
