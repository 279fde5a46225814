import { setImmediate } from "node:timers/promises";
import { expect } from "chai";
import pino from "pino";
import type { Progress, Route } from "../../src/channels/route.ts";
import { generate, type Attempt, type Generated, type GenerateContext } from "../../src/gateway/generate.ts";
import { createRouting } from "../../src/gateway/routing.ts";
import type { ModelEntry } from "../../src/gateway/table.ts";
import type { Key } from "../../src/net/auth/key.ts";
import type { PluginContext } from "../../src/plugin/context.ts";

export const picture = { data: { kind: "url" as const, url: "https://a.example/1" } };

type Run = (ctx: PluginContext, key: Key | undefined, progress: Progress, watched: { inTime: AbortSignal }) => Promise<void> | void;
const unlimited = { all: {}, perKey: {} };

type More = Partial<Omit<Route, "channel">> & { channel?: Partial<Route["channel"]> };

/** A route that does as it is told, without a provider. */
export function route(name: string, run: Run, { channel, ...more }: More = {}): Route {
  return {
    channel: {
      name,
      keys: [],
      trusted: () => false,
      coolDown: { after: 3, first: 5000, max: 300_000 },
      limits: { ...unlimited, queue: 100, queueTimeout: 60_000 },
      ...channel,
    },
    model: { id: "m", upstream: "m", fields: {} },
    priority: 0,
    weight: 1,
    operations: new Set(["generate"]),
    partial: "keep",
    unsafe: false,
    secrets: [],
    timeout: 1000,
    limits: unlimited,
    run: async (ctx: PluginContext, key: Key | undefined, progress: Progress, watched: { inTime: AbortSignal }) =>
      run(ctx, key, progress, watched),
    ...more,
  } as unknown as Route;
}

export interface SlowLimits {
  all?: { concurrency?: number; imagesPerMinute?: number };
  perKey?: { concurrency?: number; imagesPerMinute?: number };
  queue?: number;
  queueTimeout?: number;
}

/** A channel whose pictures are done when the test says so. */
export function slow(name: string, limits: SlowLimits = {}, { keys = [] as string[], own = {}, model = "m", priority = 0 } = {}) {
  const running: { done: (error?: Error) => void; key: unknown }[] = [];
  let most = 0;
  let calls = 0;
  const made = route(
    name,
    async (ctx, key, progress) => {
      progress.submitted = true;
      calls += 1;
      await new Promise<void>((resolve, reject) => {
        running.push({ key, done: (error) => (error ? reject(error) : resolve()) });
        most = Math.max(most, running.length);
        ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason as Error));
      });
      for (let count = 0; count < ctx.request.n; count += 1) ctx.result.pictures.push(picture);
    },
    {
      priority,
      model: { id: model, upstream: model, fields: {} },
      limits: { all: {}, perKey: {}, ...own },
      channel: { keys, limits: { all: {}, perKey: {}, queue: 100, queueTimeout: 60_000, ...limits } },
      timeout: 5000,
    },
  );
  return {
    route: made,
    running,
    most: () => most,
    calls: () => calls,
    /** The one that runs for the longest is over. */
    finish: async (error?: Error) => {
      running.shift()?.done(error);
      await settled();
    },
  };
}

/** What can happen by itself has happened. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await setImmediate();
}

/** Routes as the table holds them, asked in the list's order. */
export function entryOf(routes: Route[], id = "m"): ModelEntry {
  return { id, routes, sharing: "weight", fallback: [] } as unknown as ModelEntry;
}

/** A process that knows nothing yet, in which nothing is left to chance. */
export const newRouting = () => createRouting({ random: () => 0.5 });

const silent = pino({ level: "silent" });

/** One request for these routes. */
export function ask(
  routes: Route[],
  { n = 1, signal = new AbortController().signal, ...more }: { n?: number } & Partial<GenerateContext> = {},
): { answer: Promise<Generated>; attempts: Attempt[] } {
  const attempts: Attempt[] = [];
  const input = { model: "m", prompt: "p", n, style: { deep: { list: [1] } } };
  const answer = generate(entryOf(routes), input, {
    fetchPicture: () => Promise.reject(new Error("not here")),
    save: () => Promise.reject(new Error("not here")),
    spool: { take: () => Promise.reject(new Error("not here")), room: () => Promise.resolve() },
    log: silent,
    signal,
    attempted: (attempt) => attempts.push(attempt),
    routing: newRouting(),
    ...more,
  });
  return { answer, attempts };
}

export const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => expect.fail("it did not fail"),
    (error: unknown) => error,
  );
