// Says which candidates had better be left alone for a while.
import { blameFor, scopeNames } from "./blame.ts";
import type { Candidate } from "./candidate.ts";
import { createCoolDowns, trialTime, type ActiveCoolDown, type ReportedCoolDown, type Standing } from "./cool-downs.ts";

/** A scope's health as instances report it to each other: its cool-down, that a request tries it, or that it is well. */
export type Report = ReportedCoolDown | "tried" | "well";

/**
 * The health of channels, keys and models, learnt from the answers of real requests alone: no picture is ordered to find out. After a
 * cool-down one request is let through as a trial; the cool-downs grow until one succeeds.
 */
export interface Health {
  standing: (candidate: Candidate) => Standing;
  /** Resolves with whether this request may go to a candidate that is well: after a cool-down, only the trial may. */
  mayTry: (candidate: Candidate) => Promise<boolean>;
  /** An attempt begins; after a cool-down it is the trial. Gives what `ended` wants back. */
  began: (candidate: Candidate) => number;
  /** An attempt that began at this time is over; `error` is what it failed with. Gives the cool-down that begins, if one does. */
  ended: (candidate: Candidate, began: number, error?: unknown) => ActiveCoolDown | undefined;
  /** Another instance reports what it has learnt. */
  receive: (scope: string, report: Report) => void;
  /** The cool-downs that are not over. */
  coolDowns: () => ActiveCoolDown[];
  /** Forget every failure and end every cool-down of a channel, its models and its keys, here and elsewhere. */
  clear: (channel: string) => void;
}

const severity = { well: 0, cooling_down: 1, rate_limited: 2 };

/**
 * `report` gives the other instances a scope's health. `claim` asks them for the only trial of a scope, for so many milliseconds at
 * most, and resolves with whether it is granted.
 */
export function createHealth(
  now: () => number,
  report: (scope: string, report: Report) => void = () => undefined,
  claim: (scope: string, milliseconds: number) => Promise<boolean> = () => Promise.resolve(true),
): Health {
  const coolDowns = createCoolDowns(now);
  return {
    standing: ({ scopes }) => scopeNames.map((name) => coolDowns.standing(scopes[name])).reduce(worse),
    mayTry: async ({ scopes }) => {
      // Marked here at once, before anything is waited for.
      const trials = scopeNames.map((name) => scopes[name]).filter(coolDowns.beginTrial);
      for (const scope of trials) if (!(await claim(scope, trialTime))) return false;
      return true;
    },
    began: ({ scopes }) => {
      for (const name of scopeNames) if (coolDowns.beginTrial(scopes[name])) report(scopes[name], "tried");
      return now();
    },
    ended: ({ route, scopes }, began, error) => {
      const blame = blameFor(error, route.channel.coolDown);
      let begun: ActiveCoolDown | undefined;
      for (const name of scopeNames) {
        const scope = scopes[name];
        if (blame?.of === name) {
          begun = coolDowns.fail(scope, began, blame);
          if (begun) report(scope, { coolDown: begun.until - now(), failures: begun.failures, named: begun.named });
        } else if (!blame?.clears.includes(name)) coolDowns.endTrial(scope);
        else if (coolDowns.recover(scope, began)) report(scope, "well");
      }
      return begun;
    },
    receive: (scope, reported) => {
      if (reported === "well") coolDowns.forget(scope);
      else if (reported === "tried") coolDowns.beginTrial(scope);
      else coolDowns.adopt(scope, reported);
    },
    clear: (channel) => {
      for (const scope of coolDowns.scopes()) {
        if (scope !== channel && !scope.startsWith(`${channel}/`) && !scope.startsWith(`${channel}#`)) continue;
        if (coolDowns.forget(scope)) report(scope, "well");
      }
    },
    coolDowns: coolDowns.active,
  };
}

/** The graver of two standings; of two alike, the longer one. */
function worse(one: Standing, other: Standing): Standing {
  const graver = severity[other.state] - severity[one.state];
  return graver > 0 || (graver === 0 && other.until > one.until) ? other : one;
}
