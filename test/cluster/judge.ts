// Says what is wrong with how a cluster served its load.
import { describeWish } from "../outlive/load.ts";
import { problemOf, troublesOf, type Ended } from "../outlive/judge.ts";
import type { Reads } from "./downloads.ts";
import type { Struck } from "./troubles.ts";

/** What became of a request: its picture, or an error that the documentation gives for what was away, or what must not be. */
export type Fate = "picture" | "unstored" | "uncertain" | { problem: string };

/** The words of errors about what was made and could not be kept, and about what may have been made. */
const unstored = /could not be stored|cannot store pictures|cannot reach its stored pictures|is no longer kept/;
const uncertain = /may have been|may be paid|uncertain|nobody knows/;

export function fateOf(one: Ended, struck: readonly Struck[]): Fate {
  const { wish, outcome } = one;
  const near = troublesOf(outcome, struck).map(({ part }) => part);
  const problem = problemOf(one, troublesOf(outcome, struck));
  if (problem === undefined && !outcome.picture)
    return uncertain.test(outcome.told ?? "") ? "uncertain" : { problem: `${describeWish(wish)}: no picture, but: ${outcome.told}` };
  if (problem === undefined) return wayOf(one, near.includes("store"));
  // A job, and a request that is sent again, need what is kept; nothing of it is ordered again.
  const needsStore = wish.isJob || outcome.attempts > 0;
  const isOrderedOnce = wish.seen.orders <= 1 || wish.name === "none";
  const isExcused = near.includes("store") && needsStore && isOrderedOnce && !outcome.picture && unstored.test(outcome.told ?? "");
  return isExcused ? "unstored" : { problem };
}

/** Who asked for a URL has one, or hears that the picture could not be stored; that is said only while the store is away. */
function wayOf({ wish, outcome }: Ended, isStoreAway: boolean): Fate {
  const isOtherWay = wish.asks === "url" && outcome.url === undefined;
  if ((isOtherWay && !outcome.isUnstored) || (outcome.isUnstored && !isStoreAway))
    return { problem: `${describeWish(wish)}: asked for ${wish.asks}, got ${outcome.url ?? "base64"}, not stored: ${outcome.isUnstored}` };
  return "picture";
}

/** Reads of stored pictures that failed while nothing was away, or were wrong. */
export function readProblems({ failed, wrong }: Reads, struck: readonly Struck[]): string[] {
  const lonely = failed.filter((one) => troublesOf(one, struck).length === 0);
  return [...wrong, ...lonely.map(({ how }) => `a stored picture could not be read while nothing was away: ${how}`)];
}
