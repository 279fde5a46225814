// A process that serves, alone or as one of several under the first process.
import cluster from "node:cluster";
import { setTimeout as delay } from "node:timers/promises";
import { AggregatorRegistry, type Registry } from "prom-client";
import type { Environment } from "../channels/settings.ts";
import { guard } from "./guard.ts";
import { lastCalls, type FromWorker, type Heard, type ToWorker } from "./messages.ts";
import { createNotes } from "./notes.ts";
import { serve, type Peers, type Serving } from "./serve.ts";

type Start = Extract<ToWorker, { pictor: "start" }>;
type Receive = Parameters<NonNullable<Peers["siblings"]>["listen"]>[0];

/** Time that a process in which something went wrong goes on accepting, in milliseconds: another serves in its place before that. */
export const longestChange = 30_000;

/** Serve as a process of its own. */
export async function serveAlone(env: Environment, say: (line: string) => void, refreshEnv: () => void): Promise<Serving> {
  const serving = await serve(env, say, { refreshEnv });
  guard(serving, serving.close);
  return serving;
}

/** Serve under the first process, which says how. Rejects where it cannot start. */
export async function serveAsWorker(
  env: Record<string, string | undefined>,
  say: (line: string) => void,
  refreshEnv: () => void,
): Promise<void> {
  const started = later<Serving>();
  const replaced = later<ToWorker>();
  const start = later<Start>();
  // Others send notes from the first moment on; they are received once there is something to keep them in.
  const receiver = later<Receive>();
  const notes = createNotes(send);
  const metrics = metricsFrom(send);
  let ending: Promise<void> | undefined;
  const end = (serving: Serving, patient: boolean) => (ending ??= leave(serving, patient));
  const heard: Heard<ToWorker> = {
    start: start.resolve,
    reload: () => started.promise.then(({ reload }) => reload()),
    close: ({ patient }) => started.promise.then((serving) => end(serving, patient)),
    replaced: replaced.resolve,
    note: async (message) => {
      (await receiver.promise)(message);
      send({ pictor: "noted", id: message.id });
    },
    noted: notes.noted,
    "metrics are": metrics.heard,
  };
  process.on("message", (message: ToWorker) => void heard[message.pictor]?.(message as never));
  send({ pictor: "begin" });
  const { isFirst, port, handover } = await start.promise;
  if (port !== undefined) env.PORT = String(port);
  const serving = await serve(env, isFirst ? say : () => undefined, {
    refreshEnv,
    metricsOfAll: metrics.ofAll,
    handover,
    keep: (kept) => send({ pictor: "keep", handover: kept }),
    siblings: { send: notes.send, listen: receiver.resolve },
  });
  guard(serving, async () => {
    send({ pictor: "failing" });
    // The rest of this time must not keep the process from its end.
    await Promise.race([replaced.promise, delay(longestChange, undefined, { ref: false })]);
    await end(serving, false);
  });
  // A terminal's interrupt, and its end, go to all processes at once, and the first one passes it on.
  for (const name of ["SIGINT", "SIGHUP"] as const) process.on(name, () => undefined);
  process.once("SIGTERM", () => void end(serving, true));
  send({ pictor: "ready", port: Number(new URL(serving.url).port || 80) });
  started.resolve(serving);
}

/** Asks the first process for the metrics of all that serve. */
function metricsFrom(ask: (question: FromWorker) => void) {
  // Installs what answers the first process's question for this one's metrics.
  new AggregatorRegistry();
  const asked = new Map<number, (text: string) => void>();
  let questions = 0;
  return {
    ofAll: (own: Registry) => {
      AggregatorRegistry.setRegistries(own);
      return () =>
        new Promise<string>((resolve) => {
          asked.set((questions += 1), resolve);
          ask({ pictor: "metrics", id: questions });
        });
    },
    heard: ({ id, text }: { id: number; text: string }) => {
      asked.get(id)?.(text);
      asked.delete(id);
    },
  };
}

/** A promise, and the function that resolves it. */
function later<T>() {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((done) => (resolve = done));
  return { promise, resolve };
}

async function leave(serving: Serving, patient: boolean): Promise<void> {
  await serving.close({ patient });
  // A last call to a provider, to cancel a task, keeps the process until it is made; it is not waited for without end.
  cluster.worker?.disconnect();
  setTimeout(() => process.exit(), lastCalls).unref();
}

function send(message: FromWorker): void {
  // A first process that is gone takes this one with it.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}
