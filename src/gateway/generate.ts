// Serves a request: tries the ways to serve its model, one after the other, until one answers.
import { setTimeout } from "node:timers/promises";
import { createBill } from "../channels/bill.ts";
import type { Progress, Route } from "../channels/route.ts";
import type { OrderLog } from "../dialect/orders.ts";
import { GatewayError, ProviderFailure } from "../errors.ts";
import { sumOf, type Cost } from "../money/cost.ts";
import { freeze } from "../plugin/clone.ts";
import { operationOf, type Change, type Result, type UnifiedRequest } from "../plugin/context.ts";
import { afterFailure, mayCost, type Next } from "./after-failure.ts";
import { attempt, type AttemptContext } from "./attempt.ts";
import { beginAttempt, endAttempt } from "./attempt-span.ts";
import type { Candidate } from "./candidate.ts";
import { order } from "./choose.ts";
import { deadline } from "./deadline.ts";
import { livingRoutes } from "./life.ts";
import type { ClientLimits } from "./limits.ts";
import type { Routing } from "./routing.ts";
import { nextSlot } from "./slot.ts";
import type { ModelEntry } from "./table.ts";
import { createVerdict, type Verdict } from "./verdict.ts";

/** The parts of the process that serving a request needs. */
export interface GenerateContext extends AttemptContext {
  routing: Routing;
  /** Called for every attempt as it ends. */
  attempted(attempt: Attempt): void;
  /** Called for every attempt once its cost is known. */
  billed?(attempt: Attempt): void;
  /** Milliseconds of the whole request, over all attempts and waits; without bound when omitted. */
  timeout?: number;
  /** The client's own limits. */
  client?: ClientLimits;
  /** The only channel that may be asked, where the client chose it. */
  pinned?: string;
  /** Models that may stand in for the one asked for, in this order, where the operator says so. */
  standIns?: readonly StandIn[];
  /** The changes made to the client's request before. */
  changes?: readonly Change[];
  /** Makes the log of an attempt's orders, where they have to outlive this process. */
  orders?: (candidate: Candidate) => OrderLog;
}

/** Another model in place of the one asked for. */
export interface StandIn {
  entry: ModelEntry;
  /** The client's request as this model takes it. Throws a `GatewayError` where it does not. */
  input: () => { request: UnifiedRequest; changes: readonly Change[] };
}

export interface Attempt {
  route: Route;
  /** `ok`, the class of the failure, `unfit` where the channel cannot send the request, `client_gone`, `shutting_down` or `error`. */
  outcome: string;
  seconds: number;
  /** True where a picture was made, or may have been: repeating the request could be paid for twice. */
  mayCost: boolean;
  /** Gives what it cost, as far as is known: all of it once the provider's whole answer is here. */
  cost: () => Cost;
}

export interface Generated {
  result: Result;
  changes: Change[];
  attempts: readonly Attempt[];
  /** Gives what all attempts cost, once the provider's whole answer is here. */
  cost: () => Cost;
}

/** The cost of several attempts. */
export function costOf(attempts: readonly Pick<Attempt, "cost">[]): Cost {
  return sumOf(attempts.map(({ cost }) => cost()));
}

/**
 * Try the ways to serve a model, one after the other, until one answers. Another is tried only where it is certain that nothing was made.
 * Throws the error that the client gets.
 */
export async function generate(entry: ModelEntry, input: UnifiedRequest, context: GenerateContext): Promise<Generated> {
  const leave = context.client && (await context.routing.limits.enterClient(context.client, input.n));
  const own = context.timeout === undefined ? undefined : deadline(context.signal, { milliseconds: context.timeout, late: tooLate });
  const over = () => {
    own?.clear();
    leave?.();
  };
  try {
    const generated = await serveAny(entry, input, own ? { ...context, signal: own.signal } : context);
    whenWhole(generated.result, over);
    return generated;
  } catch (error) {
    over();
    own?.stop(error);
    throw error;
  }
}

/** A request lasts until the provider's whole answer is there, also where ours has begun. */
function whenWhole({ rest }: Pick<Result, "rest">, over: () => void): void {
  if (rest) rest.then(over, over);
  else over();
}

function tooLate(): GatewayError {
  return new GatewayError("upstream_timeout", "the request took longer than this gateway lets one take");
}

/** A model being served: what was asked, and what became of it so far. */
interface Serving {
  input: UnifiedRequest;
  context: GenerateContext;
  attempts: Attempt[];
  verdict: Verdict;
}

/** Serve the model, or one that may stand in for it. */
async function serveAny(entry: ModelEntry, input: UnifiedRequest, context: GenerateContext): Promise<Generated> {
  const attempts: Attempt[] = [];
  const verdict = createVerdict(entry.id);
  const made = await serveModel(entry, { input, context, attempts, verdict });
  if (made) return changedBefore(made, context.changes);
  // A mistake of the client is reported, and not mended with another model.
  for (const standIn of verdict.isClients() ? [] : (context.standIns ?? [])) {
    const other = inputOf(standIn);
    const served =
      other && (await serveModel(standIn.entry, { input: other.request, context, attempts, verdict: createVerdict(standIn.entry.id) }));
    if (!served) continue;
    return changedBefore(served, [{ field: "model", from: entry.id, to: standIn.entry.id }, ...other.changes]);
  }
  throw verdict.error();
}

/** The list stays the same one: what stands behind an answer that has begun may add to it. */
function changedBefore(generated: Generated, before: readonly Change[] = []): Generated {
  generated.changes.unshift(...before);
  return generated;
}

/** The request as a stand-in takes it; undefined where it does not. */
export function inputOf({ input }: StandIn): ReturnType<StandIn["input"]> | undefined {
  try {
    return input();
  } catch (error) {
    if (error instanceof GatewayError) return undefined;
    throw error;
  }
}

/** The ways to serve a request with a model on a day, as the client lets it. */
export function routesFor(
  entry: ModelEntry,
  input: UnifiedRequest,
  { date, pinned }: { date: number; pinned?: string | undefined },
): readonly Route[] {
  const able = livingRoutes(entry, date).filter(({ operations }) => operations.has(operationOf(input)));
  return pinned === undefined ? able : able.filter(({ channel }) => channel.name === pinned);
}

/** Serve one model. Resolves with nothing where no way is left and no picture can have been made; throws where one may have been. */
async function serveModel(entry: ModelEntry, serving: Serving): Promise<Generated | undefined> {
  const { input, context, attempts, verdict } = serving;
  freeze(input);
  const { routing, pinned } = context;
  const routes = routesFor(entry, input, { date: routing.date(), pinned });
  const { random, turn, limits } = routing;
  let left = order(routes, { random, inFlight: limits.inFlight, sharing: entry.sharing, turn: ({ channel }) => turn(channel.name) });
  for (;;) {
    const lease = await nextSlot(left, { pictures: input.n, routing, signal: context.signal, verdict });
    if (!lease) return undefined;
    const { candidate } = lease;
    const outcome = await tryCandidate(candidate, serving).catch((error: unknown) => {
      lease.release();
      throw error;
    });
    if ("generated" in outcome) {
      whenWhole(outcome.generated.result, lease.release);
      return { ...outcome.generated, attempts, cost: () => costOf(attempts) };
    }
    lease.release();
    if (outcome.next === "stop") throw verdict.of(outcome.error);
    verdict.add(outcome.error);
    left = others(outcome.next === "next_channel" ? "next_channel" : "next_key", candidate, left);
  }
}

/** `retryAfter` in seconds, where the provider named them. */
type Outcome = { generated: Omit<Generated, "attempts" | "cost"> } | { error: unknown; next: Next; retryAfter?: number };

/** Makes an attempt, counts and logs it, and learns from it. */
async function attemptOnce(candidate: Candidate, { input, context, attempts }: Serving): Promise<Outcome> {
  const { route, key } = candidate;
  const { health, now } = context.routing;
  const began = health.began(candidate);
  const bill = createBill(route.pricing);
  const progress: Progress = { submitted: false, accepted: false, bill, orders: context.orders?.(candidate) };
  const span = beginAttempt(context.trace, route);
  const ended = (outcome: string, error?: unknown, result?: Result) => {
    const may = error === undefined || mayCost(error, progress);
    const tried: Attempt = { route, outcome, seconds: (now() - began) / 1000, mayCost: may, cost: bill.cost };
    attempts.push(tried);
    context.attempted(tried);
    // A task that another process follows is billed there.
    if (!progress.orders?.outlives(context.signal.reason)) whenWhole(result ?? {}, () => context.billed?.(tried));
    endAttempt(span, tried, result);
    return health.ended(candidate, began, error);
  };
  try {
    const generated = await attempt(route, { key, input, progress }, span ? { ...context, trace: span } : context);
    ended("ok", undefined, generated.result);
    return { generated };
  } catch (error) {
    const next = afterFailure(error, progress, route.unsafe);
    const coolDown = ended(outcomeOf(error, next, context.signal), error);
    if (error instanceof ProviderFailure) {
      const { kind, message, details } = error;
      // The operator's own troubles must not go unheard only because another channel stood in.
      context.log[kind === "auth" || kind === "quota" || details.misconfigured ? "error" : "warn"](
        {
          channel: route.channel.name,
          model: route.model.id,
          class: kind,
          status: details.status,
          reason: details.reason ?? message,
          leads_to: details.location,
          ...(coolDown && { rests: coolDown.scope, seconds: Math.ceil((coolDown.until - now()) / 1000) }),
        },
        "attempt failed",
      );
      return { error, next, retryAfter: details.retryAfter };
    }
    return { error, next };
  }
}

/** The end of an attempt that failed; `next` is what follows it. */
export function outcomeOf(error: unknown, next: Next, signal: AbortSignal): string {
  if (error instanceof ProviderFailure) return error.kind;
  // Whatever broke once the signal was aborted, broke for its reason.
  const cause: unknown = signal.aborted ? signal.reason : error;
  if (!(cause instanceof GatewayError)) return signal.aborted ? "client_gone" : "error";
  if (next !== "stop") return "unfit";
  return ends.get(cause.code) ?? "error";
}

const ends = new Map([
  ["upstream_timeout", "timeout"],
  ["shutting_down", "shutting_down"],
]);

/** Times that one key is asked again where a rule says `then: retry`: more would hold the client up. */
export const repeats = 2;

/** Longest wait before one key is asked again, in milliseconds: a longer one that the provider names leads to the next key. */
export const longestWait = 30_000;

/** Attempts with one candidate, until a rule does not say that it is asked again. */
async function tryCandidate(candidate: Candidate, serving: Serving): Promise<Outcome> {
  for (let times = 0; ; times += 1) {
    const outcome = await attemptOnce(candidate, serving);
    if ("generated" in outcome || outcome.next !== "same") return outcome;
    const wait = (outcome.retryAfter ?? times + 1) * 1000;
    if (times === repeats || wait > longestWait) return { ...outcome, next: "next_key" };
    await setTimeout(wait, undefined, { signal: serving.context.signal }).catch(() => serving.context.signal.throwIfAborted());
  }
}

/** The candidates that are left after a failure. */
function others(next: "next_key" | "next_channel", candidate: Candidate, left: readonly Candidate[]): Candidate[] {
  return left.filter((other) => other !== candidate && (next === "next_key" || other.route.channel !== candidate.route.channel));
}
