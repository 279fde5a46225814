// A process that serves, alone or as one of several under the first process.
import cluster from "node:cluster";
import { setTimeout as delay } from "node:timers/promises";
import { AggregatorRegistry, type Registry } from "prom-client";
import type { Environment } from "../channels/settings.ts";
import { lastCalls, type FromWorker, type Heard, type ToWorker } from "./messages.ts";
import { serve, type Serving } from "./serve.ts";

/** Milliseconds that a process in which something went wrong goes on accepting, at most, until another serves in its place. */
const longestChange = 10_000;

/**
 * The last guard: what is thrown where nothing catches it, such as in a timer, is logged with its request, and `fail` is called the first time. Nobody
 * knows what such an error left behind, so that the process must end; but those who wait for their pictures need not pay for it.
 */
export function guard(serving: Serving, fail: () => Promise<void>): void {
  let hasFailed = false;
  process.on("uncaughtException", (error, origin) => {
    serving.blame(error, origin);
    if (hasFailed) return;
    hasFailed = true;
    process.exitCode = 1;
    void fail().finally(() => setTimeout(() => process.exit(1), lastCalls).unref());
  });
}

/** Serve as a process of its own. */
export async function serveAlone(env: Environment, say: (line: string) => void): Promise<Serving> {
  const serving = await serve(env, say);
  guard(serving, serving.close);
  return serving;
}

/** Serve under the first process, which says how. Rejects where it cannot start. */
export async function serveAsWorker(env: Environment, say: (line: string) => void): Promise<void> {
  // Installs what answers the first process's question for this one's metrics.
  new AggregatorRegistry();
  const asked = new Map<number, (text: string) => void>();
  let questions = 0;
  const metricsOfAll = (own: Registry) => {
    AggregatorRegistry.setRegistries(own);
    return () =>
      new Promise<string>((resolve) => {
        asked.set((questions += 1), resolve);
        tell({ pictor: "metrics", id: questions });
      });
  };
  let serves: (serving: Serving) => void = () => undefined;
  const started = new Promise<Serving>((resolve) => (serves = resolve));
  let replaced: () => void = () => undefined;
  const isReplaced = new Promise<void>((resolve) => (replaced = resolve));
  let begin: (how: Extract<ToWorker, { pictor: "start" }>) => void = () => undefined;
  const told = new Promise<Extract<ToWorker, { pictor: "start" }>>((resolve) => (begin = resolve));
  let ending: Promise<void> | undefined;
  const end = (serving: Serving, patient: boolean) => (ending ??= leave(serving, patient));

  // What is said before it serves is done when it does.
  const heard: Heard<ToWorker> = {
    start: begin,
    reload: () => started.then(({ reload }) => reload()),
    close: ({ patient }) => started.then((serving) => end(serving, patient)),
    replaced,
    clear: ({ channel }) => started.then(({ clear }) => clear(channel)),
    "metrics are": ({ id, text }) => {
      asked.get(id)?.(text);
      asked.delete(id);
    },
  };
  process.on("message", (message: ToWorker) => void heard[message.pictor]?.(message as never));
  tell({ pictor: "begin" });
  const { isFirst, port, handover } = await told;
  const serving = await serve(port === undefined ? env : { ...env, PORT: String(port) }, isFirst ? say : () => undefined, {
    metricsOfAll,
    handover,
    keep: (kept) => tell({ pictor: "keep", handover: kept }),
    cleared: (channel) => tell({ pictor: "cleared", channel }),
  });
  guard(serving, async () => {
    tell({ pictor: "failing" });
    await Promise.race([isReplaced, delay(longestChange)]);
    await end(serving, false);
  });
  // A terminal's interrupt, and its end, go to all processes at once, and the first one tells the others.
  for (const name of ["SIGINT", "SIGHUP"] as const) process.on(name, () => undefined);
  process.once("SIGTERM", () => void end(serving, true));
  tell({ pictor: "ready", port: Number(new URL(serving.url).port || 80) });
  serves(serving);
}

async function leave(serving: Serving, patient: boolean): Promise<void> {
  await serving.close({ patient });
  // A last call to a provider, to cancel a task, keeps the process until it is made; it is not waited for without end.
  cluster.worker?.disconnect();
  setTimeout(() => process.exit(), lastCalls).unref();
}

function tell(message: FromWorker): void {
  // A first process that is gone takes this one with it.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}
