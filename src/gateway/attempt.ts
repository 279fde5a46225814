// Tries a request once, on one route with one key.
import type { Logger } from "pino";
import type { Bill } from "../channels/bill.ts";
import type { Progress, Route } from "../channels/route.ts";
import type { AcceptedTask } from "../dialect/orders.ts";
import { ProviderFailure } from "../errors.ts";
import { secretsOf, type Key } from "../net/auth/key.ts";
import type { PictureFetcher } from "../net/fetch-picture.ts";
import { passingRoom, type SpoolScope } from "../picture/spool.ts";
import { clone } from "../plugin/clone.ts";
import { emptyResult, type Events } from "../plugin/compose.ts";
import { withRest } from "../plugin/merge.ts";
import { operationOf, type Change, type Kept, type PluginContext, type Result, type UnifiedRequest } from "../plugin/context.ts";
import { traced, type Trace } from "../trace.ts";
import { deadline, type Deadline } from "./deadline.ts";

/** The parts of the process that an attempt needs. */
export interface AttemptContext {
  fetchPicture: PictureFetcher;
  /** Keep a picture; the URL is for the client who asked. */
  save(chunks: AsyncIterable<Buffer>, life?: number): Promise<Kept>;
  /** True where providers can fetch stored pictures. */
  reachable?: boolean;
  /** The pictures of the request; the caller closes it when the answer is out. */
  spool: Pick<SpoolScope, "take" | "room">;
  log: Logger;
  /** The place in the trace that the request belongs to, if any. */
  trace?: Trace;
  /** True where the answer may begin before the provider's is whole: see `Result.rest`. */
  early?: boolean;
  /** Receives pictures as they come, where the client wants a stream. */
  events?: Events;
  /** Aborts when the client hangs up, or the request's time is over. */
  signal: AbortSignal;
}

/** The parts of one try. */
interface Try {
  key: Key | undefined;
  input: UnifiedRequest;
  /** Tasks that were accepted before, which are followed in place of an order. */
  tasks?: readonly AcceptedTask[];
  /** Says how far the attempt came, also where it fails. */
  progress: Progress;
}

/**
 * Tries a request once on one route with one key, in a context of its own. Throws `ProviderFailure`, a `GatewayError` where the channel cannot
 * send the request, or the signal's reason.
 */
export async function attempt(
  route: Route,
  { key, input, tasks, progress }: Try,
  context: AttemptContext,
): Promise<{ result: Result; changes: Change[] }> {
  // The time of the attempt is its provider's: what was made in it, and may be paid for, is not lost while it is downloaded or converted.
  const calls = deadline(context.signal, {
    milliseconds: route.timeout,
    late: () => new ProviderFailure("timeout", "the provider did not finish in time"),
  });
  // Made when it is asked for: most attempts have nothing to end but the calls, and a signal is expensive.
  let all: Deadline | undefined;
  const changes: Change[] = [];
  const ctx = pluginContext(route, input, context, {
    changes,
    key,
    bill: progress.bill,
    signal: () => (all ??= deadline(context.signal)).signal,
  });
  const events = context.events?.show && counted(context.events, progress, changes);
  try {
    if (tasks) await route.resume(ctx, key, { tasks, ...progress }, calls.signal);
    else await route.run(ctx, key, progress, { inTime: calls.signal, events });
    judgeCount(ctx, ctx.result.pictures.length + (events?.shown() ?? 0), route.partial);
    await settleRest(ctx);
    // Until the provider's whole answer is here.
    if (ctx.result.rest) void ctx.result.rest.then(calls.leave, calls.leave);
    else calls.leave();
    return { result: ctx.result, changes };
  } catch (error) {
    // Calls and downloads that were begun for an answer that will not come are ended.
    calls.stop(error);
    all?.stop(error);
    throw error;
  }
}

/** The context of one attempt, as its plugins see it. `signal` makes the signal of all of the attempt. */
function pluginContext(
  route: Route,
  input: UnifiedRequest,
  context: AttemptContext,
  { changes, key, bill, signal }: { changes: Change[]; key: Key | undefined; bill: Bill; signal: () => AbortSignal },
): PluginContext {
  const { trace } = context;
  const own: Omit<PluginContext, "signal"> & { signalOf: () => AbortSignal } = {
    input,
    operation: operationOf(input),
    request: clone(input),
    result: emptyResult(),
    model: route.model,
    channel: { name: route.channel.name },
    change: (field, { what, from: before, to }) => {
      const isDropped = what === "dropped";
      const from = isDropped ? (input[field] ?? before) : before;
      const change = {
        field,
        ...(what === undefined ? {} : { what }),
        ...(from === undefined ? {} : { from }),
        ...(to === undefined ? {} : { to }),
      };
      // A field that reaches no provider was not changed on its way there; and the calls of a fan-out all report the same.
      if (isDropped) changes.splice(0, changes.length, ...changes.filter((known) => known.field !== field));
      if (!changes.some((known) => JSON.stringify(known) === JSON.stringify(change))) changes.push(change);
    },
    fetchPicture: async (url, from) => {
      await context.spool.room(passingRoom, signal());
      const trusted = from === "provider" ? (target: URL) => route.channel.trusted(target) : undefined;
      const arriving = context.fetchPicture(url, {
        signal: signal(),
        trusted,
        fresh: from === "provider",
        input: from === "client",
        trace,
      });
      const arrived = await arriving.catch((error: unknown) => {
        // It may have been paid for, and somebody who has its URL can still get it.
        if (from === "provider" && !signal().aborted)
          context.log.error(
            { err: error, channel: route.channel.name, url: withoutSecrets(url, key, route.secrets) },
            "a provider's picture could not be fetched",
          );
        throw error;
      });
      if (from === "provider") bill.fetched(url, arrived.head);
      return { kind: "stream", ...arrived };
    },
    store: { save: (chunks, life) => traced(trace, { name: "store" }, () => context.save(chunks, life)), reachable: context.reachable },
    spool: context.spool,
    early: context.early === true && input.n === 1,
    log: context.log,
    trace,
    signalOf: signal,
  };
  return Object.setPrototypeOf(own, signalWhenAsked) as PluginContext;
}

/** Of all contexts: a getter of each one's own would make it a slow object that takes three times the memory. */
const signalWhenAsked = {
  get signal(): AbortSignal {
    return (this as unknown as { signalOf: () => AbortSignal }).signalOf();
  },
};

/** A URL for the log, where no secret may stand. */
function withoutSecrets(url: string, key: Key | undefined, secrets: readonly string[]): string {
  return secretsOf(key === undefined ? secrets : [key, ...secrets]).reduce((text, secret) => text.replaceAll(secret, "***"), url);
}

/** The client's events, with the finished pictures counted. */
function counted(events: Events, progress: Progress, changes: readonly Change[]): Events & { shown: () => number } {
  let shown = 0;
  return {
    accepted: events.accepted,
    show: async (picture) => {
      progress.shown = true;
      await events.show?.({ ...picture, changes });
      if (picture.partial === undefined) shown += 1;
    },
    shown: () => shown,
  };
}

/** Waits for the rest of an answer that has begun, unless the answer to the client can begin too. */
async function settleRest(ctx: PluginContext): Promise<void> {
  const rest = ctx.result.rest?.then((whole) => {
    // A single picture was requested, and it has begun before there were others.
    if (whole.pictures.length > 1) ctx.change("n", { what: "more pictures left out", from: whole.pictures.length, to: 1 });
    return whole;
  });
  if (!rest) return;
  // Once a step has read the picture, beginning the answer now gains nothing, and an error can still be reported.
  if (ctx.result.pictures.some(({ data }) => data.kind === "stream")) ctx.result.rest = rest;
  else ctx.result = withRest(ctx.result, await rest);
}

/** Fewer or more pictures than asked for are never passed off as what was asked for. */
function judgeCount(ctx: PluginContext, made: number, partial: "keep" | "fail"): void {
  const asked = ctx.input.n;
  if (made === asked) return;
  if (made < asked && partial === "fail") throw new ProviderFailure("failed", `${made} of ${asked} pictures came back`);
  ctx.change("n", { from: asked, to: made });
}
