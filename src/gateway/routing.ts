// Holds the state that requests share for routing: health, limits, and outcomes to remember.
import { createHealth, type Health } from "./health.ts";
import { createLimits, type Limits } from "./limits.ts";
import { createMemoryState, type SharedState } from "./shared-state.ts";
import { createUncertainOutcomes, type UncertainOutcomes } from "./uncertain.ts";

/** The state that all requests of a process share. It outlives the tables. */
export interface Routing {
  health: Health;
  limits: Limits;
  /** The part that other instances share. */
  state: SharedState;
  /** Outcomes that may have been paid for. */
  uncertain: UncertainOutcomes;
  /** From 0 to below 1. */
  random: () => number;
  /** The number of the key of a channel that comes first this time; they take turns. */
  turn: (channel: string) => number;
  /** Milliseconds of a clock that never goes back, whatever becomes of the time of day. */
  now: () => number;
  /** Epoch milliseconds of the time of day, by which the days of models are judged. */
  date: () => number;
}

interface Parts {
  now: () => number;
  date: () => number;
  random: () => number;
  state: SharedState;
}

const monotonic = () => performance.now();

/** Clocks and chance are real when omitted, and the state is this process's own. */
export function createRouting({
  now = monotonic,
  date = Date.now,
  random = Math.random,
  state = createMemoryState(),
}: Partial<Parts> = {}): Routing {
  const turns = new Map<string, number>();
  const health = createHealth(
    now,
    (scope, report) => state.report(scope, report),
    (scope, milliseconds) => state.claim(scope, milliseconds),
  );
  state.onReport((scope, report) => health.receive(scope, report));
  state.onShared("clear", (channel) => health.clear(String(channel)));
  return {
    health,
    limits: createLimits(state),
    state,
    uncertain: createUncertainOutcomes(state),
    random,
    now,
    date,
    turn: (channel) => {
      const turn = turns.get(channel) ?? 0;
      turns.set(channel, turn + 1);
      return turn;
    },
  };
}
