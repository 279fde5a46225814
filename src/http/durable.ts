// Answers a request that outlives its connection, to every client that sends it: the first has it served, the others join it or get it again.
import { setImmediate as turn, setTimeout as delay } from "node:timers/promises";
import type { Context } from "koa";
import type { Logger } from "pino";
import { GatewayError } from "../errors.ts";
import type { Durable, Serving } from "../gateway/durable.ts";
import type { Webhook } from "../gateway/delivery.ts";
import type { Outcome } from "../gateway/ending.ts";
import { overBudget, type Reservation } from "../gateway/budget.ts";
import { ledgerAway } from "../gateway/order-log.ts";
import { Unavailable } from "../ledger/database.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { RequestRow } from "../ledger/row.ts";
import { keptFingerprint, tellApart } from "./fingerprint.ts";
import { OverBudget } from "../ledger/spending.ts";
import type { RequestState } from "./gateway.ts";
import { namesOf, retriesWithin, type RepeatName } from "./idempotency.ts";
import { inTime } from "./late.ts";
import { beginningOf, heldBy } from "./record.ts";
import { respond, setCost } from "./respond.ts";

/** The parts of the process that serve requests that outlive their connections. */
export interface DurableService {
  durable: Durable;
  ledger: Ledger;
  /** The name of this process. */
  owner: string;
  /** How long things are kept, in milliseconds. */
  lives: () => LedgerLives;
  /** The webhooks that jobs may name. */
  webhooks: () => ReadonlyMap<string, Webhook>;
  /** Look for jobs, now. */
  wake: () => void;
}

/** How long things are kept, in milliseconds. */
export interface LedgerLives {
  /** Rows of the ledger. */
  rows: number;
  /** Answers, and the keys by which they are given again. */
  answers: number;
}

interface Wanted {
  name: RepeatName;
  fingerprint: string;
  serving: Serving;
  /** Its part of the client's budgets, where there are any. */
  reservation?: Reservation | undefined;
  /** Milliseconds within which the client has to be answered. */
  left: number | undefined;
  log: Logger;
  /** Called where this request is the one that is served: what it holds is held until nobody needs it. */
  begun: () => void;
}

/**
 * Answer a request whose repeats are known by a name, or that has to stay within a budget. Resolves with false where the ledger is away and neither
 * the client nor the operator asked for a promise: then the request is served like a plain one.
 */
export async function answerDurably(ctx: Context, service: DurableService, wanted: Wanted): Promise<boolean> {
  const state = ctx.state as RequestState;
  const { durable } = service;
  const { name, serving, left, log } = wanted;
  const row = rowOf(state, service, wanted);
  await judgePresence(state, name);
  const claimed = await claim(row, service, wanted);
  if (!claimed) return false;
  const isOwn = claimed.id === row.id;
  if (!isOwn) {
    judgeKey(claimed, row);
    state.repeats = claimed.id;
    ctx.set("idempotent-replayed", "true");
  }
  if (isOwn) {
    state.hasRow = true;
    wanted.begun();
  }
  const live = isOwn ? durable.serve(row, serving) : durable.find(claimed.id);
  const leave = live?.join();
  // Of one that ends with its client the end is awaited: only then is it known whether something may have been made.
  const endsWithClient = isOwn && serving.patience === 0;
  const enough = new AbortController();
  const hide = state.events && live?.show(state.events.events);
  try {
    const ended = live ? live.outcome : durable.follow(claimed.id, AbortSignal.any([state.signal, enough.signal]));
    if (endsWithClient) void whileHere(ended, state.signal).catch(() => leave?.());
    const outcome = await inTime(endsWithClient ? ended : whileHere(ended, state.signal), left);
    if (!outcome) {
      live?.keep();
      state.mayCost = true;
      throw notReady(claimed.id);
    }
    const made = told(ctx, outcome);
    await respond(ctx, made, log);
    return true;
  } finally {
    enough.abort();
    hide?.();
    leave?.();
  }
}

/** Rejects where the client of a first request has gone: its retry may be here already, and must not lose its name to it. */
export async function judgePresence({ signal }: RequestState, { joins }: RepeatName): Promise<void> {
  if (joins) return;
  for (let turns = 0; turns < turnsToEnd; turns += 1) await turn();
  signal.throwIfAborted();
}

/**
 * Turns of the loop after which the end of a connection is known that came right behind its request, as it may after a stall: a socket is read once
 * in a turn, and it is closed in the one after.
 */
export const turnsToEnd = 3;

/** Throws where a key names another request than the one that came. */
export function judgeKey(known: RequestRow, { model, operation, fingerprint = "" }: RequestRow): void {
  const isAlike = known.model === model && known.operation === operation;
  if (isAlike && !tellApart(known.fingerprint ?? "", fingerprint)) return;
  throw new GatewayError(
    "idempotency_key_reused",
    "this Idempotency-Key was sent with another request; send a new one, or the same request",
    {
      param: "idempotency-key",
    },
  );
}

/** The client's error for a picture that takes longer than its connection may. */
export function notReady(id: string): GatewayError {
  return new GatewayError(
    "upstream_timeout",
    `the picture is not ready yet and is still being made; GET /v1/requests/${id} gives it once it is there`,
  );
}

async function claim(
  row: RequestRow & { idempotency: string },
  { ledger }: DurableService,
  { name, reservation }: Wanted,
): Promise<RequestRow | undefined> {
  try {
    return await ledger.claim({ row, joins: name.joins, since: row.createdAt - name.life, budgets: reservation?.budgets });
  } catch (error) {
    if (error instanceof OverBudget) throw await overBudget(error, ledger.spending);
    if (!(error instanceof Unavailable)) throw error;
    const refused = ledgerAway(error);
    // A promise that the client asked for is kept or not given, and a retry may be one of an order that is under way. A first request of an SDK
    // is served like a plain one, unless it could walk through a budget; its retries are left to memory.
    const isRefused = name.isKeyed || name.joins || reservation !== undefined;
    void disown(row, isRefused ? refused : orderedWithout(), ledger);
    if (!isRefused) return undefined;
    throw refused;
  }
}

function orderedWithout(): GatewayError {
  return new GatewayError("upstream_timeout", "the picture was ordered while the ledger was away, and may have been made and paid for");
}

/** Time between two tries to write while the ledger is away, in milliseconds: a client may come again at once. */
export const tryAgain = 1_000;

/** Tries to write that a request is not served under its name: its name counts no longer than that. */
export const mostTries = retriesWithin / tryAgain;

/**
 * End the row of a request that is not served under its name. A connection that broke may have written it all the same, and then a repeat of the
 * request would wait for it.
 */
async function disown({ id }: RequestRow, error: GatewayError, ledger: Ledger): Promise<void> {
  const end = error.code === "ledger_unavailable" ? { status: "failed" as const, idempotency: undefined } : { status: "unknown" as const };
  for (let tries = 0; tries < mostTries; tries += 1) {
    const patch = { ...end, endedAt: Date.now(), error: error.toJSON(), httpStatus: error.status };
    const isDone = await ledger.update(id, patch, ["in_progress"]).then(
      () => true,
      () => false,
    );
    if (isDone) return;
    await delay(tryAgain, undefined, { ref: false });
  }
}

function rowOf(
  state: RequestState,
  service: DurableService,
  { name, fingerprint, serving, reservation }: Wanted,
): RequestRow & { idempotency: string } {
  const names = { ...namesOf(name, fingerprint, state.createdAt), fingerprint: keptFingerprint(fingerprint, serving.entry) };
  return { ...beginningOf(state, service), ...heldBy(service), ...names, reservedNanos: reservation?.reservedNanos };
}

/** The answer of an outcome, after setting the headers that describe it. Throws the client's error where there is none. */
function told(ctx: Context, { made, error, mayCost, channel, attempts, cost }: Outcome) {
  const state = ctx.state as RequestState;
  state.mayCost ||= mayCost;
  Object.assign(state, { channel, attempts, ...(cost && state.repeats === undefined && { cost: () => cost }) });
  if (!ctx.res.headersSent) {
    if (channel !== undefined) ctx.set("x-pictor-channel", channel);
    if (attempts !== undefined) ctx.set("x-pictor-attempts", attempts);
  }
  if (made) return made;
  if (!ctx.res.headersSent) setCost(ctx, cost);
  throw error ?? new GatewayError("internal_error", "internal error");
}

/** The same, but rejects as soon as the client has gone. */
function whileHere<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(signal.reason instanceof Error ? signal.reason : new Error("the client hung up"));
    signal.addEventListener("abort", gone, { once: true });
    if (signal.aborted) gone();
    void work.then(resolve, reject).finally(() => signal.removeEventListener("abort", gone));
  });
}
