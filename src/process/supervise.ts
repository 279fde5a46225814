// The first process: it starts those that serve, and another one for each that ends.
import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { AggregatorRegistry } from "prom-client";
import { messageOf } from "../errors.ts";
import type { Handover } from "./handover.ts";
import { createRelay } from "./notes.ts";
import { isFromWorker, type FromWorker, type Heard, type ToWorker } from "./messages.ts";

/** The processes that serve on one port. */
export interface Workers {
  reload: () => void;
  /** Let every process end as one alone would. */
  close: (how: { patient: boolean }) => Promise<void>;
}

/**
 * Pause before a process that ended soon after its start is started again, in milliseconds: it doubles from the first up to the longest.
 */
export const pause = { first: 500, longest: 30_000, longestAfterServing: 5000 };

/** Life from which a process did not end soon, in milliseconds: another one is started without a pause. */
export const soon = 10_000;

/** Times in a row that a process that served may end soon before there is a pause: a single crash should cost no time. */
export const patience = 2;

/** State of the first process about those that serve. */
interface Crew {
  say: (line: string) => void;
  closing: AbortController;
  metrics: { clusterMetrics: () => Promise<string> };
  serving: Set<Worker>;
  notes: ReturnType<typeof createRelay<Worker>>;
  kept?: Handover;
  /** The port of those that serve. With PORT=0 they share one by asking for any; once none is left, the next must ask for that very one. */
  port?: number;
  wanted?: number;
  quickEnds: number;
}

/**
 * Start processes that serve, and another one for each that ends. The first of them speaks, and the others begin when it serves: what is wrong
 * is reported once. Resolves when it serves, or with its exit code where it cannot.
 */
export async function startWorkers(count: number, say: (line: string) => void): Promise<Workers | number> {
  // Workers accept connections themselves: one that this process hands to a worker that stops, or is killed, would stay open without an answer.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  cluster.setupPrimary({ execArgv: [...process.execArgv, ...roomForNewObjects()] });
  const crew: Crew = {
    ...{ say, closing: new AbortController(), metrics: new AggregatorRegistry(), serving: new Set(), quickEnds: 0 },
    notes: createRelay(send),
  };
  // The end of this process would be that of all that serve, with what is paid for; and an error can leave little half done here.
  process.on("uncaughtException", (error) => say(`an error in the first process, which goes on: ${messageOf(error)}`));
  let served: () => void = () => undefined;
  const serves = new Promise<undefined>((resolve) => (served = () => resolve(undefined)));
  const ended = once(start(crew, { isFirst: true, served }), "exit").then(([code, signal]) => (signal === null ? Number(code) : 1));
  const code = await Promise.race([serves, ended]);
  if (code !== undefined) return code;
  for (let index = 1; index < count; index += 1) start(crew);
  return {
    reload: () => all().forEach((worker) => send(worker, { pictor: "reload" })),
    close: async (how) => {
      crew.closing.abort();
      const exits = all().map((worker) => once(worker, "exit"));
      for (const worker of all()) send(worker, { pictor: "close", ...how });
      await Promise.all(exits);
    },
  };
}

/**
 * Options of V8 for a process that serves. By itself V8 begins with a small space for new objects and returns to it whenever it is quiet:
 * what each request under way holds is then copied again and again, which took an eighth of a small request's CPU. 16 MB is V8's default maximum.
 * There are none if the operator has `chosen` a size by Node's options.
 */
export function roomForNewObjects(chosen = [...process.execArgv, process.env.NODE_OPTIONS ?? ""]): string[] {
  const isChosen = chosen.some((option) => option.includes("semi-space-size"));
  return isChosen ? [] : ["--min-semi-space-size=16", "--max-semi-space-size=16"];
}

/** Start one; `served` is called once it serves. */
function start(crew: Crew, { isFirst = false, served = () => undefined }: { isFirst?: boolean; served?: () => void } = {}): Worker {
  const worker = cluster.fork();
  const began = performance.now();
  let isReplaced = false;
  const another = (hasServed: boolean, then?: () => void) => {
    crew.quickEnds = performance.now() - began < soon ? crew.quickEnds + 1 : 0;
    startAnother(crew, hasServed, then);
  };
  const heard: Heard<FromWorker> = {
    begin: () => {
      // It was not listening yet when the others heard of it.
      if (crew.closing.signal.aborted) return void worker.process.kill();
      if (crew.serving.size === 0) crew.wanted = crew.port;
      send(worker, { pictor: "start", isFirst, port: crew.wanted, handover: crew.kept });
    },
    ready: ({ port }) => {
      crew.serving.add(worker);
      crew.port = port;
      served();
    },
    keep: ({ handover }) => (crew.kept = handover),
    failing: () => {
      if (isReplaced) return;
      isReplaced = true;
      another(true, () => send(worker, { pictor: "replaced" }));
    },
    note: (note) => crew.notes.note(worker, note, { others: all().filter((other) => other !== worker), serve: crew.serving }),
    noted: (answer) => crew.notes.noted(worker, answer),
    metrics: ({ id }) =>
      void crew.metrics.clusterMetrics().then(
        (text) => send(worker, { pictor: "metrics are", id, text }),
        () => send(worker, { pictor: "metrics are", id, text: "" }),
      ),
  };
  worker.on("message", (message: unknown) => {
    if (isFromWorker(message)) heard[message.pictor]?.(message as never);
  });
  worker.on("error", (error) => {
    // A process that is killed may be sent something all the same. One that could not be started reports no end.
    if (worker.process.pid !== undefined || isFirst || crew.closing.signal.aborted) return;
    startAgain(crew, error, served);
  });
  worker.once("exit", (code, signal) => {
    const hasServed = crew.serving.delete(worker);
    crew.notes.gone(worker);
    if (crew.closing.signal.aborted || (isFirst && !hasServed)) return;
    crew.say(`worker ${worker.process.pid} ended (${signal || code}); another one takes its place`);
    if (!isReplaced) another(hasServed, hasServed ? undefined : served);
  });
  return worker;
}

/** Start one in the place of another, after a pause where they end soon. A start that fails is tried again. */
function startAnother(crew: Crew, hasServed: boolean, served?: () => void): void {
  delay(pauseAfter(crew.quickEnds, hasServed), undefined, { signal: crew.closing.signal })
    .then(() => void start(crew, { served }))
    .catch((error: unknown) => {
      if (!crew.closing.signal.aborted) startAgain(crew, error, served);
    });
}

function startAgain(crew: Crew, error: unknown, served?: () => void): void {
  crew.say(`another worker cannot be started: ${messageOf(error)}`);
  crew.quickEnds += 1;
  startAnother(crew, false, served);
}

function all(): Worker[] {
  // One that could not be started is listed too.
  return Object.values(cluster.workers ?? {}).filter((worker): worker is Worker => worker?.process.pid !== undefined);
}

function pauseAfter(quickEnds: number, hasServed: boolean): number {
  const spared = hasServed ? patience : 0;
  if (quickEnds <= spared) return 0;
  return Math.min(pause.first * 2 ** (quickEnds - spared - 1), hasServed ? pause.longestAfterServing : pause.longest);
}

function send(worker: Worker, message: ToWorker): void {
  if (worker.isConnected()) worker.send(message, () => undefined);
}
