// Jobs: requests whose answer is fetched later.
import type { RouterContext } from "@koa/router";
import type { Context } from "koa";
import { GatewayError } from "../errors.ts";
import { overBudget, type Reservation } from "../gateway/budget.ts";
import type { Serving } from "../gateway/durable.ts";
import { inputOf } from "../gateway/generate.ts";
import { keepRequest } from "../gateway/kept-request.ts";
import { ledgerAway } from "../gateway/order-log.ts";
import { Unavailable } from "../ledger/database.ts";
import { TooManyJobs } from "../ledger/beginnings.ts";
import type { RequestRow } from "../ledger/row.ts";
import { OverBudget } from "../ledger/spending.ts";
import { judgeKey, judgePresence, type DurableService } from "./durable.ts";
import { keptFingerprint } from "./fingerprint.ts";
import type { Gateway, RequestState } from "./gateway.ts";
import { namesOf, type RepeatName } from "./idempotency.ts";
import { inTime } from "./late.ts";
import { pageIn } from "./paging.ts";
import { beginningOf } from "./record.ts";
import { preferencesIn } from "./prefer.ts";
import type { ReadRequest } from "./request.ts";
import { lookAgain, shownStatus, viewOf } from "./requests.ts";
import { judgeWebhook } from "./webhook.ts";

/** Jobs of one client that may wait or be under way where its key names no number: more would keep its own later ones waiting for hours. */
export const usualMostJobs = 1000;

/** A client's wish for a job; `wait` is how many milliseconds it waits for the answer all the same. */
export interface JobWish {
  wait: number;
}

/** The wish for a job, by `Prefer: respond-async` (RFC 7240), by `async` in the body, or by the path; undefined where there is none. */
export function jobIn({ req, path }: Context, { isAsync }: Pick<ReadRequest, "isAsync">): JobWish | undefined {
  const wishes = preferencesIn(req.headers.prefer);
  if (!isAsync && !wishes.includes("respond-async") && !path.endsWith("/async")) return undefined;
  const seconds = Number(wishes.find((wish) => /^wait=\d+$/.test(wish))?.slice("wait=".length) ?? 0);
  return { wait: seconds * 1000 };
}

interface Asking extends Omit<Serving, "patience" | "answerLife"> {
  /** Its part of the client's budgets, where there are any. */
  reservation?: Reservation | undefined;
  name: RepeatName | undefined;
  job: JobWish;
  webhook: string | undefined;
  fingerprint: () => Promise<string>;
}

/** Keep a request as a job, and answer with it: 202, or 200 where it is done within the time that its client waits. */
export async function beginJob(ctx: Context, gateway: Gateway, asking: Asking): Promise<void> {
  const { durable: service } = gateway;
  if (!service) throw new GatewayError("api_not_implemented", "this gateway keeps no jobs; send the request without async");
  const mostJobs = (ctx.state as RequestState).client?.jobs ?? usualMostJobs;
  const row = await kept(ctx, gateway, service, { ...asking, mostJobs }).catch(async (error: unknown) => {
    if (error instanceof TooManyJobs) throw tooManyJobs(mostJobs);
    if (error instanceof OverBudget) throw await overBudget(error, service.ledger.spending);
    throw error instanceof Unavailable ? ledgerAway(error) : error;
  });
  service.wake();
  ctx.set({ location: `/v1/images/jobs/${row.id}`, "cache-control": "no-store", "preference-applied": "respond-async" });
  const { signal } = ctx.state as RequestState;
  // No longer than any other answer may take: what is between gives up then.
  const wait = Math.min(asking.job.wait, asking.table.answerWithin ?? Infinity);
  const enough = new AbortController();
  const ended = wait > 0 ? service.durable.follow(row.id, AbortSignal.any([signal, enough.signal])) : undefined;
  const isOver = ended && (await inTime(ended, wait).finally(() => enough.abort())) !== undefined;
  const now = (isOver && (await service.ledger.find(row.id))) || row;
  ctx.status = now.endedAt === undefined && !(ctx.state as RequestState).accepted ? 202 : 200;
  await show(ctx as RouterContext, gateway, now);
}

/** The job's row, new or the one that its key names. */
async function kept(ctx: Context, gateway: Gateway, service: DurableService, asking: Asking & { mostJobs: number }): Promise<RequestRow> {
  const { request, changes, origin, pinned, streams, traceparent, name, webhook, mostJobs, reservation } = asking;
  const others = asking.standIns?.flatMap((standIn) => {
    const other = inputOf(standIn);
    return other ? [{ model: standIn.entry.id, ...other }] : [];
  });
  const state = ctx.state as RequestState;
  const { id, client } = state;
  if (webhook !== undefined) judgeWebhook(webhook, client, service.webhooks());
  const { ledger, lives } = service;
  // Before anything is kept of one that is refused.
  if ((await ledger.jobsOf(client?.id ?? "")) >= mostJobs && !(await isThere(state, ledger, asking))) throw new TooManyJobs();
  const input = await keepRequest(
    gateway.store,
    { request, changes, origin, pinned, streams, others, traceparent },
    lives().answers / 1000,
  );
  const { budgets, reservedNanos } = reservation ?? {};
  const row: RequestRow = { ...beginningOf(state, service), status: "queued", job: true, webhook, input, reservedNanos };
  if (!name) {
    await ledger.add(row, { mostJobs, budgets });
    state.hasRow = true;
    return row;
  }
  const fingerprint = await asking.fingerprint();
  await judgePresence(ctx.state, name);
  const named = { ...row, fingerprint: keptFingerprint(fingerprint, asking.entry), ...namesOf(name, fingerprint, row.createdAt) };
  const claimed = await ledger.claim({
    row: named,
    joins: name.joins,
    since: row.createdAt - name.life,
    mostJobs,
    budgets,
  });
  judgeKey(claimed, named);
  if (claimed.id === id) state.hasRow = true;
  else {
    state.repeats = claimed.id;
    ctx.set("idempotent-replayed", "true");
  }
  return claimed;
}

function tooManyJobs(most: number): GatewayError {
  return new GatewayError(
    "rate_limit_exceeded",
    `this key may have ${most} jobs that wait or are under way, and has them; wait for one of them to end, or cancel one`,
    { retryAfter: lookAgain },
  );
}

/** True where a job repeats one that is kept already: it adds none. */
async function isThere(
  { client, createdAt }: RequestState,
  ledger: DurableService["ledger"],
  { name, fingerprint }: Asking,
): Promise<boolean> {
  if (!name?.joins) return false;
  return (await ledger.named(client?.id ?? "", name.of(await fingerprint()), createdAt - name.life)) !== undefined;
}

/** GET /v1/images/jobs/{id}. Throws a 404 for another client's. */
export async function showJob(ctx: RouterContext, gateway: Gateway): Promise<void> {
  ctx.set("cache-control", "no-store");
  await show(ctx, gateway, await jobOf(ctx, gateway));
}

/** GET /v1/images/jobs: the client's own, newest first; `limit` and `after`, the id of the last one seen. */
export async function listJobs(ctx: RouterContext, gateway: Gateway): Promise<void> {
  const client = (ctx.state as RequestState).client?.id ?? "";
  const { ledger } = serviceOf(gateway);
  const { limit, after } = await pageIn(ctx, ledger, client);
  const rows = await ledger.list({ client, jobs: true, after, limit: limit + 1 });
  const page = rows.slice(0, limit).map(({ id, status, model, createdAt }) => ({
    id,
    object: "image.job",
    status: shownStatus(status),
    model,
    created_at: Math.floor(createdAt / 1000),
  }));
  ctx.set("cache-control", "no-store");
  ctx.body = { object: "list", data: page, has_more: rows.length > limit, last_id: page.at(-1)?.id ?? null };
}

/** POST /v1/images/jobs/{id}/cancel, and DELETE: ends a job that is not over, also at the provider where that can be. */
export async function cancelJob(ctx: RouterContext, gateway: Gateway): Promise<void> {
  const { ledger, durable } = serviceOf(gateway);
  const job = await jobOf(ctx, gateway);
  const error = new GatewayError("cancelled", "the request was cancelled");
  const patch = { status: "cancelled", endedAt: Date.now(), error: error.toJSON(), httpStatus: error.status } as const;
  if (await ledger.update(job.id, patch, ["queued", "in_progress"])) durable.find(job.id)?.end(error);
  ctx.set("cache-control", "no-store");
  await show(ctx, gateway, await jobOf(ctx, gateway));
}

/** The client's own job that the address names. Throws a 404 where there is none. */
export async function jobOf(ctx: Context, gateway: Gateway, id = (ctx as RouterContext).params.id): Promise<RequestRow> {
  const client = (ctx.state as RequestState).client?.id ?? "";
  const row = await serviceOf(gateway).ledger.find(String(id), client);
  // A keyed request that was no job is shown too: sent again as a job it is answered with that request.
  if (!row?.job && row?.fingerprint === undefined)
    throw new GatewayError("not_found", "there is no such job of this client, or its time is over");
  return row;
}

async function show(ctx: RouterContext, gateway: Gateway, row: RequestRow): Promise<void> {
  if (row.endedAt === undefined) ctx.set("retry-after", String(lookAgain));
  const view = { object: "image.job", ...(await viewOf(ctx, gateway, row)) };
  const { accepted } = ctx.state as RequestState;
  ctx.body = accepted ? accepted(view) : view;
  if (accepted) ctx.type = "application/json";
}

/** The service that keeps jobs. Throws a 404 where there is none. */
export function serviceOf({ durable }: Gateway): DurableService {
  if (!durable) throw new GatewayError("not_found", "this gateway keeps no jobs");
  return durable;
}
