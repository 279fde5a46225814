// The first process: it starts those that serve, and another one for each that ends.
import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { AggregatorRegistry } from "prom-client";
import type { Handover } from "./handover.ts";
import type { FromWorker, Heard, ToWorker } from "./messages.ts";

/** The processes that serve on one port. */
export interface Workers {
  reload: () => void;
  /** Let every process end as one alone would. */
  close: (how: { patient: boolean }) => Promise<void>;
}

/** Milliseconds before a process that ended soon after its start is started again; they double up to the longest. */
const pause = { first: 500, longest: 30_000, longestAfterServing: 5000 };

/** Milliseconds after which a process did not end soon. */
const soon = 10_000;

/** How often in a row a process that served may end soon before there is a pause. */
const patience = 2;

/**
 * Start processes that serve, and another one for each that ends. The first of them speaks, and the others begin when it serves: what is wrong
 * is told once. Resolves when it serves, or with its exit code where it cannot.
 */
export async function startWorkers(count: number, say: (line: string) => void): Promise<Workers | number> {
  // One alone takes connections itself: handed on by this process, one that comes just as the other stops accepting would hang.
  if (count === 1) cluster.schedulingPolicy = cluster.SCHED_NONE;
  const metrics = new AggregatorRegistry();
  const closing = new AbortController();
  let kept: Handover | undefined;
  // Where any port would do, those that serve share one by asking for any; once none is left, the next must ask for that very one.
  const serving = new Set<Worker>();
  let port: number | undefined;
  let wanted: number | undefined;
  let quickEnds = 0;
  const all = () => Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
  const toOthers = (worker: Worker, message: ToWorker) =>
    all().forEach((other) => {
      if (other !== worker) tell(other, message);
    });

  /** Start one; `served` is called once it serves. */
  function start({ isFirst = false, served = () => undefined }: { isFirst?: boolean; served?: () => void } = {}): Worker {
    const worker = cluster.fork();
    const began = performance.now();
    let isReplaced = false;
    const another = (hasServed: boolean, then?: () => void) => {
      quickEnds = performance.now() - began < soon ? quickEnds + 1 : 0;
      void delay(pauseAfter(quickEnds, hasServed), undefined, { signal: closing.signal }).then(
        () => start({ served: then }),
        () => undefined,
      );
    };
    const heard: Heard<FromWorker> = {
      begin: () => {
        // It was not listening yet when the others were told.
        if (closing.signal.aborted) return void worker.process.kill();
        if (serving.size === 0) wanted = port;
        tell(worker, { pictor: "start", isFirst, port: wanted, handover: kept });
      },
      ready: (message) => {
        serving.add(worker);
        port = message.port;
        served();
      },
      keep: ({ handover }) => (kept = handover),
      failing: () => {
        isReplaced = true;
        another(true, () => tell(worker, { pictor: "replaced" }));
      },
      note: (message) => toOthers(worker, message),
      cleared: ({ channel }) => toOthers(worker, { pictor: "clear", channel }),
      metrics: ({ id }) =>
        void metrics.clusterMetrics().then(
          (text) => tell(worker, { pictor: "metrics are", id, text }),
          () => tell(worker, { pictor: "metrics are", id, text: "" }),
        ),
    };
    worker.on("message", (message: FromWorker) => heard[message.pictor]?.(message as never));
    // A process that is killed may be told something all the same.
    worker.on("error", () => undefined);
    worker.once("exit", (code, signal) => {
      const hasServed = serving.delete(worker);
      if (closing.signal.aborted || (isFirst && !hasServed)) return;
      say(`worker ${worker.process.pid} ended (${signal || code}); another one takes its place`);
      if (!isReplaced) another(hasServed);
    });
    return worker;
  }

  let served: () => void = () => undefined;
  const serves = new Promise<undefined>((resolve) => (served = () => resolve(undefined)));
  const ended = once(start({ isFirst: true, served }), "exit").then(([code, signal]) => (signal === null ? Number(code) : 1));
  const code = await Promise.race([serves, ended]);
  if (code !== undefined) return code;
  for (let index = 1; index < count; index += 1) start();
  return {
    reload: () => all().forEach((worker) => tell(worker, { pictor: "reload" })),
    close: async (how) => {
      closing.abort();
      const exits = all().map((worker) => once(worker, "exit"));
      for (const worker of all()) tell(worker, { pictor: "close", ...how });
      await Promise.all(exits);
    },
  };
}

function pauseAfter(quickEnds: number, hasServed: boolean): number {
  const spared = hasServed ? patience : 0;
  if (quickEnds <= spared) return 0;
  return Math.min(pause.first * 2 ** (quickEnds - spared - 1), hasServed ? pause.longestAfterServing : pause.longest);
}

function tell(worker: Worker, message: ToWorker): void {
  if (worker.isConnected()) worker.send(message, () => undefined);
}
