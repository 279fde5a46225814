// Messages between the first process and those that serve.
import type { Handover } from "./handover.ts";

/** A note on some topic that those that serve share, such as an outcome that may have been paid for; `id` names it between two processes. */
export interface Note {
  pictor: "note";
  id: number;
  topic: string;
  note: unknown;
}

/** The answer to a note: whoever sent this has it; from the first process, all that serve have it. */
export interface Noted {
  pictor: "noted";
  id: number;
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
  /** For all others that serve. */
  | Note
  | Noted
  | { pictor: "metrics"; id: number };

/** The parts of each message to the first process beside its kind, with their types. */
const partsFromWorker: {
  [Kind in FromWorker["pictor"]]: Record<Exclude<keyof Extract<FromWorker, { pictor: Kind }>, "pictor" | "note">, string>;
} = {
  begin: {},
  ready: { port: "number" },
  keep: { handover: "object" },
  failing: {},
  note: { id: "number", topic: "string" },
  noted: { id: "number" },
  metrics: { id: "number" },
};

/** True for a message to the first process. A plugin may send anything. */
export function isFromWorker(message: unknown): message is FromWorker {
  if (typeof message !== "object" || message === null || !("pictor" in message)) return false;
  const { pictor: kind, ...parts } = message as Record<string, unknown>;
  if (typeof kind !== "string" || !Object.hasOwn(partsFromWorker, kind)) return false;
  return Object.entries<string>(partsFromWorker[kind as FromWorker["pictor"]]).every(
    ([name, type]) => parts[name] !== null && typeof parts[name] === type,
  );
}

/** From the first process to one that serves. */
export type ToWorker =
  /** `isFirst` speaks to the operator; `port` is that of the others, where any would do. */
  | { pictor: "start"; isFirst: boolean; port?: number; handover?: Handover }
  | { pictor: "reload" }
  | { pictor: "close"; patient: boolean }
  /** Another has taken its place. */
  | { pictor: "replaced" }
  | Note
  | Noted
  | { pictor: "metrics are"; id: number; text: string };

/** A handler for each kind of message. Others pass here too, such as those of the metrics. */
export type Heard<Message extends { pictor: string }> = {
  [Kind in Message["pictor"]]?: (message: Extract<Message, { pictor: Kind }>) => unknown;
};

/**
 * Time that a process has for its last calls to providers once it has answered everybody, in milliseconds: a task may have to be cancelled.
 */
export const lastCalls = 10_000;
