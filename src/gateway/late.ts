// Keeps what came after its request had been answered, until its client fetches it.
import type { SharedState } from "./shared-state.ts";

/** A request that went on after it was answered with a 504. */
export interface LateAnswer {
  /** The request's id. */
  id: string;
  /** The name of the client whose request it is. */
  client: string;
  model: string;
  /** Unix seconds. */
  createdAt: number;
  status: "in_progress" | "completed" | "failed";
  /** The answer's body, its pictures as URLs. */
  result?: object;
  /** The body of the error that it ended with. */
  error?: object;
}

export interface LateAnswers {
  /** The request of this id, if it is this client's. */
  find(id: string, client: string): LateAnswer | undefined;
  /** Keep it as it is now, here and in the other processes and instances, in place of what was kept of it. */
  put(answer: LateAnswer): void;
}

/** Outcomes behind `/v1/requests/{id}` that are kept: the oldest is forgotten first. */
export const mostAnswers = 10_000;

/** Characters of all outcomes behind `/v1/requests/{id}`: most are short, but they may hold a provider's words, or pictures that could not be stored. */
export const mostText = 64 * 1024 * 1024;

/**
 * Age from which an outcome behind `/v1/requests/{id}` is forgotten, in seconds: by then a stored picture is gone too, unless the operator keeps pictures longer.
 */
export const longestLife = 86_400;

export function createLateAnswers(state: Pick<SharedState, "share" | "onShared">, now: () => number = Date.now): LateAnswers {
  const answers = new Map<string, { answer: LateAnswer; length: number }>();
  let text = 0;
  const isOver = ({ createdAt }: LateAnswer) => now() / 1000 - createdAt > longestLife;

  function keep(answer: LateAnswer): void {
    const known = answers.get(answer.id);
    // A note may come by two ways, and late.
    if (answer.status === "in_progress" && known && known.answer.status !== "in_progress") return;
    const { length } = JSON.stringify([answer.result, answer.error]);
    text += length - (known?.length ?? 0);
    answers.set(answer.id, { answer, length });
    for (const [id, other] of answers) {
      if (answers.size <= mostAnswers && text <= mostText && !isOver(other.answer)) break;
      answers.delete(id);
      text -= other.length;
    }
  }

  state.onShared("late", (answer) => keep(answer as LateAnswer));
  return {
    find: (id, client) => {
      const answer = answers.get(id)?.answer;
      return answer?.client === client && !isOver(answer) ? answer : undefined;
    },
    put: (answer) => {
      keep(answer);
      state.share("late", answer);
    },
  };
}
