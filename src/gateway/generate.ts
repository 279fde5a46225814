import type { Logger } from "pino";
import type { Route } from "../channels/route.ts";
import { clientError, GatewayError, ProviderFailure } from "../errors.ts";
import type { Key } from "../net/auth/key.ts";
import type { PictureFetcher } from "../net/fetch-picture.ts";
import { passingRoom, type SpoolScope } from "../picture/spool.ts";
import { emptyResult } from "../plugin/compose.ts";
import { withRest } from "../plugin/merge.ts";
import type { Change, Kept, PluginContext, Result, UnifiedRequest } from "../plugin/context.ts";
import type { ModelEntry } from "./table.ts";

/** What the gateway needs of the process it runs in. */
export interface Surroundings {
  fetchPicture: PictureFetcher;
  /** Keep a picture; the URL is for the client who asked. */
  save(chunks: AsyncIterable<Buffer>, life?: number): Promise<Kept>;
  /** What the request holds; the caller closes it when the answer is out. */
  spool: Pick<SpoolScope, "take" | "room">;
  log: Logger;
  /** Whether the answer can be begun before the provider's is whole: see `Result.rest`. */
  early?: boolean;
  /** Aborts when the client hangs up. */
  signal: AbortSignal;
  /** Told of every attempt as it ends. */
  attempted(attempt: Attempt): void;
}

export interface Attempt {
  route: Route;
  /** `ok`, the class of the failure, or `client_gone`. */
  outcome: string;
  seconds: number;
}

export interface Generated {
  result: Result;
  changes: Change[];
  attempts: readonly Attempt[];
}

/** Which key of a channel is next; they take turns. */
const turns = new WeakMap<readonly Key[], number>();

function keysInTurn(keys: readonly Key[]): (Key | undefined)[] {
  if (keys.length === 0) return [undefined];
  const turn = turns.get(keys) ?? 0;
  turns.set(keys, (turn + 1) % keys.length);
  return [...keys.slice(turn), ...keys.slice(0, turn)];
}

/**
 * Try the model's routes, and the keys of each, until one answers. Another is tried only where the failure proves that
 * nothing was made. Throws what the client is told.
 */
export async function generate(entry: ModelEntry, input: UnifiedRequest, around: Surroundings): Promise<Generated> {
  const attempts: Attempt[] = [];
  freeze(input);
  let last: unknown = new GatewayError("no_channel_available", `no channel can serve ${entry.id} now`);
  for (const route of entry.routes) {
    for (const key of keysInTurn(route.channel.keys)) {
      const began = performance.now();
      const note = (outcome: string) => {
        const attempt = { route, outcome, seconds: (performance.now() - began) / 1000 };
        attempts.push(attempt);
        around.attempted(attempt);
      };
      try {
        const generated = await attemptOnce(route, key, input, around);
        note("ok");
        return { ...generated, attempts };
      } catch (error) {
        note(error instanceof ProviderFailure ? error.kind : around.signal.aborted ? "client_gone" : "error");
        if (!(error instanceof ProviderFailure)) throw error;
        // The operator's own troubles must not go unheard only because another channel stood in.
        around.log[error.kind === "auth" || error.kind === "quota" ? "error" : "warn"](
          { channel: route.channel.name, model: entry.id, class: error.kind, status: error.details.status, reason: error.message },
          "attempt failed",
        );
        last = error;
        if (!error.details.notAccepted) throw clientError(error);
      }
    }
  }
  throw last instanceof ProviderFailure ? clientError(last) : last;
}

/** Milliseconds; a timer set to more would ring at once. */
const longestTimer = 2 ** 31 - 1;

/** One try with one key, in a context of its own. */
async function attemptOnce(
  route: Route,
  key: Key | undefined,
  input: UnifiedRequest,
  around: Surroundings,
): Promise<Omit<Generated, "attempts">> {
  const changes: Change[] = [];
  const stop = new AbortController();
  const hangUp = () => stop.abort(around.signal.reason);
  if (around.signal.aborted) hangUp();
  around.signal.addEventListener("abort", hangUp, { once: true });
  const timer = setTimeout(
    () => stop.abort(new ProviderFailure("timeout", "the provider did not finish in time")),
    Math.min(route.timeout, longestTimer),
  );
  const stopTimer = () => clearTimeout(timer);
  const ctx: PluginContext = {
    input,
    request: structuredClone(input),
    result: emptyResult(),
    model: route.model,
    channel: { name: route.channel.name },
    change: (field, { what, from, to }) => {
      const change = {
        field,
        ...(what === undefined ? {} : { what }),
        ...(from === undefined ? {} : { from }),
        ...(to === undefined ? {} : { to }),
      };
      // The calls of a fan-out all tell the same.
      if (!changes.some((told) => JSON.stringify(told) === JSON.stringify(change))) changes.push(change);
    },
    fetchPicture: async (url) => {
      await around.spool.room(passingRoom, stop.signal);
      const trusted = (target: URL) => route.channel.trusted(target);
      return { kind: "stream", ...(await around.fetchPicture(url, { signal: stop.signal, trusted })) };
    },
    store: { save: (chunks, life) => around.save(chunks, life) },
    spool: around.spool,
    early: around.early === true && input.n === 1,
    signal: stop.signal,
    log: around.log,
  };
  try {
    await route.run(ctx, key);
    judgeCount(ctx, input.n, route.partial);
    const { rest, pictures } = ctx.result;
    if (rest && !pictures.some(({ data }) => data.kind === "stream")) {
      // A step has read the picture: nothing is gained by beginning the answer now, and an error can still be told.
      ctx.result = withRest(ctx.result, await rest);
    }
    // The time of the request is that of the provider's whole answer.
    void Promise.resolve(ctx.result.rest).then(stopTimer, stopTimer);
    return { result: ctx.result, changes };
  } catch (error) {
    stopTimer();
    // Downloads that were begun for an answer that will not come are ended.
    stop.abort(error);
    throw error;
  }
}

/** Fewer or more pictures than asked for are never passed off as what was asked for. */
function judgeCount(ctx: PluginContext, asked: number, partial: "keep" | "fail"): void {
  const made = ctx.result.pictures.length;
  if (made === asked) return;
  if (made < asked && partial === "fail") throw new ProviderFailure("failed", `${made} of ${asked} pictures came back`);
  ctx.change("n", { from: asked, to: made });
}

/** What the client said stays so on every attempt, whatever a plugin does with it. */
function freeze(value: object): void {
  Object.freeze(value);
  for (const inner of Object.values(value)) if (typeof inner === "object" && inner !== null) freeze(inner as object);
}
