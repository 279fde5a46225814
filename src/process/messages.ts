// Messages between the first process and those that serve.
import type { Handover } from "./handover.ts";

/** A note on some topic that those that serve share, such as an outcome that may have been paid for. */
export interface Note {
  pictor: "note";
  topic: string;
  note: unknown;
}

/** From a process that serves to the first one. */
export type FromWorker =
  /** It waits for `start`. */
  | { pictor: "begin" }
  | { pictor: "ready"; port: number }
  /** The configuration in force in it, for the one that takes its place. */
  | { pictor: "keep"; handover: Handover }
  /** Something was thrown in it that nothing caught: it ends once another serves. */
  | { pictor: "failing" }
  | { pictor: "cleared"; channel: string }
  /** For all others that serve. */
  | Note
  | { pictor: "metrics"; id: number };

/** From the first process to one that serves. */
export type ToWorker =
  /** `isFirst` speaks to the operator; `port` is that of the others, where any would do. */
  | { pictor: "start"; isFirst: boolean; port?: number; handover?: Handover }
  | { pictor: "reload" }
  | { pictor: "close"; patient: boolean }
  /** Another has taken its place. */
  | { pictor: "replaced" }
  | { pictor: "clear"; channel: string }
  | Note
  | { pictor: "metrics are"; id: number; text: string };

/** A handler for each kind of message. Others pass here too, such as those of the metrics. */
export type Heard<Message extends { pictor: string }> = {
  [Kind in Message["pictor"]]?: (message: Extract<Message, { pictor: Kind }>) => unknown;
};

/**
 * Time that a process has for its last calls to providers once it has answered everybody, in milliseconds: a task may have to be cancelled.
 */
export const lastCalls = 10_000;
