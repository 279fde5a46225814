import type { Candidate } from "./candidate.ts";
import type { Lease } from "./limits.ts";
import type { Routing } from "./routing.ts";
import type { Verdict } from "./verdict.ts";

/**
 * A place for the next attempt: with the first candidate that is well, if need be after standing in line; else with the one whose rest is
 * over soonest, likewise. One is held back only for a time that its provider named, or a limit of its file. Resolves with nothing where
 * none is left.
 */
export async function nextPlace(
  left: readonly Candidate[],
  pictures: number,
  { health, limits, now }: Routing,
  signal: AbortSignal,
  verdict: Verdict,
): Promise<Lease | undefined> {
  const stateOf = (candidate: Candidate) => health.standing(candidate).state;

  /** A place with the first of these that has one now, else with the first that has one soon. */
  async function firstFree(candidates: readonly Candidate[]): Promise<Lease | undefined> {
    const full: Candidate[] = [];
    for (const candidate of candidates) {
      const entry = await limits.enter(candidate, pictures);
      if ("leave" in entry) return entry;
      if ("full" in entry) full.push(candidate);
      else verdict.held(entry.wait);
    }
    if (full.length === 0) return undefined;
    const lease = await limits.wait(full, pictures, signal);
    if (!lease) verdict.held(limits.expected(full));
    return lease;
  }

  /** The same, unless the client has gone meanwhile, or others have learnt that it had better not be taken: then `again` looks anew. */
  async function taken(
    candidates: readonly Candidate[],
    may: (candidate: Candidate) => boolean | Promise<boolean>,
  ): Promise<Lease | "again" | undefined> {
    const lease = await firstFree(candidates);
    if (lease && !signal.aborted && (await may(lease.candidate))) return lease;
    lease?.leave();
    signal.throwIfAborted();
    return lease && "again";
  }

  for (;;) {
    const well = left.filter((candidate) => stateOf(candidate) === "well");
    let lease = await taken(well, (candidate) => stateOf(candidate) === "well" && health.mayTry(candidate));
    if (!lease) {
      const standings = left
        .filter((candidate) => !well.includes(candidate))
        .map((candidate) => ({ candidate, ...health.standing(candidate) }));
      for (const { state, until } of standings) if (state === "held") verdict.held(until - now());
      const resting = standings.filter(({ state }) => state !== "held").sort((a, b) => a.until - b.until);
      lease = await taken(
        resting.map(({ candidate }) => candidate),
        (candidate) => stateOf(candidate) !== "held",
      );
    }
    if (lease !== "again") return lease;
  }
}
