import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { AggregatorRegistry, type Registry } from "prom-client";
import type { Environment } from "../channels/settings.ts";
import { serve, type Serving } from "./serve.ts";

/** Several processes on one port. */
export interface Workers {
  reload: () => void;
  /** Let every process end as one alone would. */
  close: (how: { patient: boolean }) => Promise<void>;
}

/** What the processes say to each other. */
type Message =
  | { pictor: "ready" }
  | { pictor: "reload" }
  | { pictor: "close"; patient: boolean }
  | { pictor: "metrics"; id: number }
  | { pictor: "metrics are"; id: number; text: string };

/** Milliseconds until a process that died before it served is started again; they double up to the longest. */
const pause = { first: 500, longest: 30_000 };

/**
 * Start processes that serve with this environment, and another one for each that dies. The first one speaks, and the others begin
 * when it serves: what is wrong is told once. Resolves when it serves, or with its exit code where it cannot.
 */
export async function startWorkers(count: number, say: (line: string) => void): Promise<Workers | number> {
  const metrics = new AggregatorRegistry();
  const closing = new AbortController();
  let wait = pause.first;
  const start = (isFirst = false) => {
    const worker = cluster.fork(isFirst ? { PICTOR_FIRST_WORKER: "on" } : {});
    let served = false;
    worker.on("message", (message: Message) => {
      if (message.pictor === "ready") {
        served = true;
        wait = pause.first;
      } else if (message.pictor === "metrics")
        void metrics.clusterMetrics().then(
          (text) => tell(worker, { pictor: "metrics are", id: message.id, text }),
          () => tell(worker, { pictor: "metrics are", id: message.id, text: "" }),
        );
    });
    worker.once("exit", (code, signal) => {
      if (closing.signal.aborted || (isFirst && !served)) return;
      say(`worker ${worker.process.pid} ended (${signal || code}); another one takes its place`);
      // Where no other is left, nothing else keeps this process until then.
      void delay(served ? 0 : wait, undefined, { signal: closing.signal }).then(
        () => start(),
        () => undefined,
      );
      if (!served) wait = Math.min(2 * wait, pause.longest);
    });
    return worker;
  };
  const first = start(true);
  const code = await Promise.race([once(first, "message").then(() => undefined), once(first, "exit").then(([ended]) => Number(ended))]);
  if (code !== undefined) return code;
  for (let index = 1; index < count; index += 1) start();
  const all = () => Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
  return {
    reload: () => all().forEach((worker) => tell(worker, { pictor: "reload" })),
    close: async (how) => {
      closing.abort();
      const ended = all().map((worker) => once(worker, "exit"));
      for (const worker of all()) tell(worker, { pictor: "close", ...how });
      await Promise.all(ended);
    },
  };
}

function tell(worker: Worker, message: Message): void {
  if (worker.isConnected()) worker.send(message);
}

/** Milliseconds that a process has for its last calls to providers once it has answered everybody. */
export const lastCalls = 10_000;

/** Serve as one of several processes. */
export async function serveAsWorker(env: Environment, say: (line: string) => void): Promise<void> {
  const isFirst = env.PICTOR_FIRST_WORKER === "on";
  // Installs what answers the first process's question for this one's metrics.
  new AggregatorRegistry();
  const asked = new Map<number, (text: string) => void>();
  let questions = 0;
  const metricsOfAll = (own: Registry) => {
    AggregatorRegistry.setRegistries(own);
    return () =>
      new Promise<string>((resolve) => {
        asked.set((questions += 1), resolve);
        process.send?.({ pictor: "metrics", id: questions } satisfies Message);
      });
  };
  const starting = serve(env, isFirst ? say : () => undefined, metricsOfAll);
  // What is said before it serves is done when it does; that it cannot is heard below.
  const serves = (then: (serving: Serving) => void) => void starting.then(then, () => undefined);
  process.on("message", (message: Message) => {
    if (message.pictor === "reload") serves(({ reload }) => void reload());
    if (message.pictor === "metrics are") {
      asked.get(message.id)?.(message.text);
      asked.delete(message.id);
    }
    if (message.pictor === "close") serves((serving) => void end(serving, message.patient));
  });
  const end = async (serving: Serving, patient: boolean) => {
    await serving.close({ patient });
    // A last call to a provider, to cancel a task, keeps the process until it is made; it is not waited for without end.
    cluster.worker?.disconnect();
    setTimeout(() => process.exit(), lastCalls).unref();
  };
  const serving = await starting;
  // A terminal's interrupt goes to all processes at once, and the first one tells the others.
  process.on("SIGINT", () => undefined);
  process.once("SIGTERM", () => void end(serving, true));
  process.send?.({ pictor: "ready" } satisfies Message);
}
