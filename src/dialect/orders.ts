// Declares how an order is reported while it is under way, so that another process can take it over.
import type { Answer } from "./answer.ts";

/** A task that a provider has accepted, with everything that its polls and its result read. It may hold text of the client. */
export interface AcceptedTask {
  submission: Pick<Answer, "status" | "headers" | "body">;
  /** The bodies of the answers to the calls before the submission, by name. */
  before: Record<string, unknown>;
}

/** Records the steps of an order. Each step is recorded before the next one is taken. */
export interface OrderLog {
  /** Called before an order is sent. If it rejects, the order is not sent. */
  sending(): Promise<void>;
  /** Called when a provider has accepted a task, before its first poll. Never rejects, since the order is placed. */
  accepted(task: AcceptedTask): Promise<void>;
  /** Called when polling begins. The returned function is called with the progress of the task, in whole percent. */
  follow(): (percent: number) => void;
  /** True if another process follows the task after this attempt was aborted for `reason`, so that the task must not be cancelled. */
  outlives(reason: unknown): boolean;
}
