// Remembers outcomes that may have been paid for, so that a client that repeats its request gets the outcome again and not a second order.
import type { SharedState } from "./shared-state.ts";

/** How a request ended that may have been paid for. */
export interface UncertainOutcome {
  /** The client's name. */
  client: string;
  /** The hash of the request. */
  fingerprint: string;
  /** The key that the client gave this request, where it gave one. */
  idempotencyKey?: string;
  /** The request's id. */
  request: string;
  /** Set where its client had gone, and heard nothing. */
  untold?: boolean;
  /** The client's error, whether it could be delivered or not. */
  error: { code: string; status: number; message: string; param: string | null };
}

/** A remembered outcome with its age, and the time after which a repeat is an order unless another comes before, in milliseconds. */
export type Remembered = UncertainOutcome & { age: number; left: number };

export interface UncertainOutcomes {
  /**
   * The outcome of the same request of the same client, if there was one within so many milliseconds, or within `patience` times the age at which it
   * was last found: clients that repeat by themselves make longer pauses each time. `fingerprint` is only worked out
   * where this client has had any. A request with an idempotency key of its own is a new one; so is one after an outcome that nobody heard of,
   * unless the request says itself that it is a `retry`.
   */
  find(
    wanted: { client: string; idempotencyKey?: string; within: number; retry?: boolean },
    fingerprint: () => Promise<string>,
  ): Promise<Remembered | undefined>;
  /** Remember one, here and in the other processes and instances. Resolves once they have it: the client's next request may go to any of them. */
  add(outcome: UncertainOutcome): Promise<void>;
  /** Forget the outcome of a request by its id, here and there, where nothing was made after all. */
  forget(request: string): void;
}

/** Outcomes that may have been paid for and are kept for repeats: the oldest is forgotten first. */
export const mostOutcomes = 10_000;

/** Times the age at which an outcome was last given again, for which it is kept for the next repeat: pauses double, and some clients double them once more at random. */
export const patience = 4;

/** Times `repeat_within` for which an outcome is kept for one who goes on repeating: SDKs give up after two minutes. */
export const longestPatience = 10;

export function createUncertainOutcomes(
  state: Pick<SharedState, "share" | "onShared">,
  // A clock that is set back would make a second into an hour.
  now: () => number = () => performance.now(),
): UncertainOutcomes {
  const outcomes = new Map<string, UncertainOutcome & { ended: number; found: number }>();
  const lastOf = new Map<string, number>();
  const nameOf = (client: string, fingerprint: string) => JSON.stringify([client, fingerprint]);

  function keep(outcome: UncertainOutcome): void {
    const name = nameOf(outcome.client, outcome.fingerprint);
    // Taken out first, so that the order of the map is that of time.
    outcomes.delete(name);
    outcomes.set(name, { ...outcome, ended: now(), found: 0 });
    lastOf.set(outcome.client, now());
    const [oldest] = outcomes.keys();
    if (outcomes.size > mostOutcomes && oldest !== undefined) outcomes.delete(oldest);
  }

  function drop(request: string): void {
    for (const [name, outcome] of outcomes) if (outcome.request === request) outcomes.delete(name);
  }

  function foundAt(name: string, age: number): void {
    const outcome = outcomes.get(name);
    if (outcome) outcome.found = age;
  }

  state.onShared("uncertain", (outcome) => keep(outcome as UncertainOutcome));
  state.onShared("forgotten", (request) => drop(request as string));
  state.onShared("repeated", (repeat) => foundAt(...(repeat as [name: string, age: number])));
  return {
    find: async ({ client, idempotencyKey, within, retry = false }, fingerprint) => {
      const longest = within * longestPatience;
      if (now() - (lastOf.get(client) ?? -Infinity) >= longest) return undefined;
      const name = nameOf(client, await fingerprint());
      const outcome = outcomes.get(name);
      if (!outcome || (outcome.untold && !retry)) return undefined;
      const { ended, found, ...remembered } = outcome;
      const age = now() - ended;
      const keptAfter = (last: number) => Math.min(Math.max(within, last * patience), longest);
      if (age >= keptAfter(found)) return undefined;
      if (idempotencyKey !== undefined && outcome.idempotencyKey !== idempotencyKey) return undefined;
      foundAt(name, age);
      void state.share("repeated", [name, age]);
      return { ...remembered, age, left: keptAfter(age) - age };
    },
    add: (outcome) => {
      keep(outcome);
      return state.share("uncertain", outcome);
    },
    forget: (request) => {
      drop(request);
      void state.share("forgotten", request);
    },
  };
}
