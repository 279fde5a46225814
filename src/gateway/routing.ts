import { createHealth, type Health } from "./health.ts";
import { createLimits, type Limits } from "./limits.ts";
import { createLateAnswers, type LateAnswers } from "./late.ts";
import { createMemoryState, type SharedState } from "./shared-state.ts";
import { createUncertainOutcomes, type UncertainOutcomes } from "./uncertain.ts";

/** What requests know of each other: it outlives the tables, and is one for the whole process. */
export interface Routing {
  health: Health;
  limits: Limits;
  /** What other instances count and know too. */
  state: SharedState;
  /** Outcomes that may have been paid for. */
  uncertain: UncertainOutcomes;
  /** What came after its request had been answered. */
  late: LateAnswers;
  /** From 0 to below 1. */
  random: () => number;
  /** Which of a channel's keys comes first this time; they take turns. */
  turn: (channel: string) => number;
  /** Milliseconds of a clock that never goes back, whatever becomes of the time of day. */
  now: () => number;
}

interface Parts {
  now: () => number;
  random: () => number;
  state: SharedState;
}

const monotonic = () => performance.now();

/** Clock and chance are real when omitted, and the state is this process's own. */
export function createRouting({ now = monotonic, random = Math.random, state = createMemoryState() }: Partial<Parts> = {}): Routing {
  const turns = new Map<string, number>();
  const health = createHealth(
    now,
    (subject, told) => state.tell(subject, told),
    (subject, milliseconds) => state.claim(subject, milliseconds),
  );
  state.listen((subject, told) => health.hear(subject, told));
  return {
    health,
    limits: createLimits(state),
    state,
    uncertain: createUncertainOutcomes(state),
    late: createLateAnswers(state),
    random,
    now,
    turn: (channel) => {
      const turn = turns.get(channel) ?? 0;
      turns.set(channel, turn + 1);
      return turn;
    },
  };
}
