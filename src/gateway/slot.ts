// Finds a slot for the next attempt of a request, now or after a time in the queue.
import type { Candidate } from "./candidate.ts";
import type { Lease } from "./limits.ts";
import type { Routing } from "./routing.ts";
import type { Verdict } from "./verdict.ts";

/** The request that needs a slot. */
export interface Seeker {
  pictures: number;
  routing: Routing;
  signal: AbortSignal;
  /** Collects how long the candidates that cannot be tried are out. */
  verdict: Verdict;
}

/**
 * A slot for the next attempt: with the first candidate that is well, if need be after a time in the queue; else with the one whose
 * cool-down ends soonest, likewise. A candidate is left out only for a time that its provider named, or for a limit of its file. Resolves
 * with nothing where none is left.
 */
export async function nextSlot(left: readonly Candidate[], seeker: Seeker): Promise<Lease | undefined> {
  const { health, now } = seeker.routing;
  const stateOf = (candidate: Candidate) => health.standing(candidate).state;
  for (;;) {
    const well = left.filter((candidate) => stateOf(candidate) === "well");
    let lease = await lastingSlot(well, seeker, (candidate) => stateOf(candidate) === "well" && health.mayTry(candidate));
    if (!lease) {
      const standings = left
        .filter((candidate) => !well.includes(candidate))
        .map((candidate) => ({ candidate, ...health.standing(candidate) }));
      for (const { state, until } of standings) if (state === "rate_limited") seeker.verdict.addWait(until - now());
      const cooling = standings.filter(({ state }) => state !== "rate_limited").sort((a, b) => a.until - b.until);
      lease = await lastingSlot(
        cooling.map(({ candidate }) => candidate),
        seeker,
        (candidate) => stateOf(candidate) !== "rate_limited",
      );
    }
    if (lease !== "again") return lease;
  }
}

/**
 * A slot with one of these that `may` still be used once it is there. Resolves with "again" where it may not, since other requests or
 * instances have learnt otherwise meanwhile. Throws where the client has gone.
 */
async function lastingSlot(
  candidates: readonly Candidate[],
  seeker: Seeker,
  may: (candidate: Candidate) => boolean | Promise<boolean>,
): Promise<Lease | "again" | undefined> {
  const lease = await firstSlot(candidates, seeker);
  if (lease && !seeker.signal.aborted && (await may(lease.candidate))) return lease;
  await lease?.cancel();
  seeker.signal.throwIfAborted();
  return lease && "again";
}

/** A slot with the first of these that has one now, else with the first that has one soon. */
async function firstSlot(
  candidates: readonly Candidate[],
  { pictures, routing: { limits }, signal, verdict }: Seeker,
): Promise<Lease | undefined> {
  const full: Candidate[] = [];
  for (const candidate of candidates) {
    const entry = await limits.enter(candidate, pictures);
    if ("release" in entry) return entry;
    if ("full" in entry) full.push(candidate);
    else verdict.addWait(entry.wait);
  }
  if (full.length === 0) return undefined;
  const lease = await limits.wait(full, pictures, signal);
  if (!lease) verdict.addWait(limits.expected(full));
  return lease;
}
