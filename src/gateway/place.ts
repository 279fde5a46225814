import type { Candidate } from "./candidate.ts";
import type { Lease } from "./limits.ts";
import type { Routing } from "./routing.ts";
import type { Verdict } from "./verdict.ts";

/**
 * A place for the next attempt: with the first candidate that is well, if need be after standing in line; else with the one whose rest is
 * over soonest. One is held back only for a time that its provider named, or a limit of its file. Resolves with nothing where none is left.
 */
export async function nextPlace(
  left: readonly Candidate[],
  pictures: number,
  { health, limits, now }: Routing,
  signal: AbortSignal,
  verdict: Verdict,
): Promise<Lease | undefined> {
  const isWell = (candidate: Candidate) => health.standing(candidate).state === "well";

  /** The first of these that has a place now; `full` gets those that may have one soon. */
  async function firstFree(candidates: readonly Candidate[], full: Candidate[]): Promise<Lease | undefined> {
    for (const candidate of candidates) {
      const entry = await limits.enter(candidate, pictures);
      if ("leave" in entry) return entry;
      if ("full" in entry) full.push(candidate);
      else verdict.held(entry.wait);
    }
    return undefined;
  }

  for (;;) {
    const well = left.filter(isWell);
    const full: Candidate[] = [];
    const lease = (await firstFree(well, full)) ?? (full.length > 0 ? await limits.wait(full, pictures, signal) : undefined);
    if (signal.aborted) lease?.leave();
    signal.throwIfAborted();
    // Others may have made it rest meanwhile.
    if (lease && !isWell(lease.candidate)) {
      lease.leave();
      continue;
    }
    if (lease) return lease;
    if (full.length > 0) verdict.held(limits.expected(full));
    const standings = left
      .filter((candidate) => !well.includes(candidate))
      .map((candidate) => ({ candidate, ...health.standing(candidate) }));
    for (const { state, until } of standings) if (state === "held") verdict.held(until - now());
    const resting = standings.filter(({ state }) => state !== "held").sort((a, b) => a.until - b.until);
    return firstFree(
      resting.map(({ candidate }) => candidate),
      [],
    );
  }
}
