// Reports an order while it is under way, so that another process can follow it.
import type { Answer } from "./answer.ts";

/** A task that a provider has accepted: all that its polls and its result read. It may hold what the client said. */
export interface AcceptedTask {
  submission: Pick<Answer, "status" | "headers" | "body">;
  /** The bodies of the answers to the calls before it. */
  before: Record<string, unknown>;
}

/** Hears of orders before what happens next happens. */
export interface OrderLog {
  /** An order is about to leave; it does not where this rejects. */
  sending(): Promise<void>;
  /** A provider has accepted a task, which is polled next. Never rejects: the order is placed. */
  accepted(task: AcceptedTask): Promise<void>;
  /** Begin to follow a task. The function is called with how much of it is done, in whole percent. */
  follow(): (percent: number) => void;
  /** True where the task is followed elsewhere after this attempt was ended for that reason, so that it must not be cancelled. */
  outlives(reason: unknown): boolean;
}
