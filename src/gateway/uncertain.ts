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

/** A remembered outcome with its age in milliseconds. */
export type Remembered = UncertainOutcome & { age: number };

export interface UncertainOutcomes {
  /**
   * The outcome of the same request of the same client, if there was one within so many milliseconds. `fingerprint` is only worked out
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

export function createUncertainOutcomes(
  state: Pick<SharedState, "share" | "onShared">,
  // A clock that is set back would make a second into an hour.
  now: () => number = () => performance.now(),
): UncertainOutcomes {
  const outcomes = new Map<string, UncertainOutcome & { ended: number }>();
  const lastOf = new Map<string, number>();
  const nameOf = (client: string, fingerprint: string) => JSON.stringify([client, fingerprint]);

  function keep(outcome: UncertainOutcome): void {
    const name = nameOf(outcome.client, outcome.fingerprint);
    // Taken out first, so that the order of the map is that of time.
    outcomes.delete(name);
    outcomes.set(name, { ...outcome, ended: now() });
    lastOf.set(outcome.client, now());
    const [oldest] = outcomes.keys();
    if (outcomes.size > mostOutcomes && oldest !== undefined) outcomes.delete(oldest);
  }

  function drop(request: string): void {
    for (const [name, outcome] of outcomes) if (outcome.request === request) outcomes.delete(name);
  }

  state.onShared("uncertain", (outcome) => keep(outcome as UncertainOutcome));
  state.onShared("forgotten", (request) => drop(request as string));
  return {
    find: async ({ client, idempotencyKey, within, retry = false }, fingerprint) => {
      if (now() - (lastOf.get(client) ?? -Infinity) >= within) return undefined;
      const outcome = outcomes.get(nameOf(client, await fingerprint()));
      const age = outcome ? now() - outcome.ended : Infinity;
      if (!outcome || age >= within || (outcome.untold && !retry)) return undefined;
      if (idempotencyKey !== undefined && outcome.idempotencyKey !== idempotencyKey) return undefined;
      return { ...outcome, age };
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
