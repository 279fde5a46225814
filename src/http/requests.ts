// GET /v1/requests and /v1/requests/{id}: what came of requests.
import { setTimeout as delay } from "node:timers/promises";
import type { RouterContext } from "@koa/router";
import { GatewayError } from "../errors.ts";
import { readKeptAnswer } from "../gateway/kept-answer.ts";
import type { RequestRow, RequestStatus } from "../ledger/row.ts";
import { answerBody } from "./answer.ts";
import type { Gateway, RequestState } from "./gateway.ts";
import { pageIn, textIn } from "./paging.ts";
import { originOf } from "./pictures.ts";
import { ledgerOf } from "./usage.ts";

/** Wait that is advised with an outcome that is not there yet, in seconds: pictures take from a second to some minutes. */
export const lookAgain = 5;

/** Time after which a request that is not in the ledger is looked for once more, in milliseconds: another process may be about to write its row. */
export const writtenWithin = 500;

/** GET /v1/requests/{id}: shows a request to its own client, and any to the operator. Throws a 404 where there is none for them. */
export async function showRequest(ctx: RouterContext, gateway: Gateway): Promise<void> {
  ctx.set("cache-control", "no-store");
  const row = await findRequest(ctx, gateway, String(ctx.params.id));
  const from = await servedBy(row, gateway);
  if (from.endedAt === undefined) ctx.set("retry-after", String(lookAgain));
  ctx.body = { ...describe(ctx, gateway, row), ...(await viewOf(ctx, gateway, from)), id: row.id, created_at: seconds(row.createdAt) };
}

/** The request of an id, where its client or the operator asks for it. Throws a 404 where there is none for them. */
export async function findRequest(ctx: RouterContext, { durable }: Gateway, id: string): Promise<RequestRow> {
  const { client, isOperator } = ctx.state as RequestState;
  const look = () => durable?.ledger.find(id, isOperator ? undefined : (client?.id ?? ""));
  let row = await look();
  if (!row && durable && /^req_[0-9a-f]{32}$/.test(id)) {
    // Another process may have answered it just now.
    await delay(writtenWithin);
    row = await look();
  }
  if (!row) throw new GatewayError("not_found", "there is no such request of this client, its model was not known, or its time is over");
  return row;
}

/** The request whose outcome one has: itself, or the one that it repeats. */
export async function servedBy(row: RequestRow, { durable }: Gateway): Promise<RequestRow> {
  return row.repeats === undefined ? row : ((await durable?.ledger.find(row.repeats, row.client)) ?? row);
}

const statuses: Record<string, readonly RequestStatus[]> = {
  queued: ["queued"],
  in_progress: ["in_progress"],
  completed: ["completed"],
  failed: ["failed", "unknown"],
  cancelled: ["cancelled"],
  uncertain: ["unknown"],
};

/** The words that `status` of the list of requests may be. */
export const statusNames = Object.keys(statuses);

/** GET /v1/requests: the client's own, or for the operator all, newest first. */
export async function listRequests(ctx: RouterContext, gateway: Gateway): Promise<void> {
  const { client, isOperator } = ctx.state as RequestState;
  const ledger = ledgerOf(gateway);
  const own = isOperator ? textIn(ctx, "client") : (client?.id ?? "");
  const { limit, after } = await pageIn(ctx, ledger, isOperator ? undefined : own);
  const status = textIn(ctx, "status");
  if (status !== undefined && !Object.hasOwn(statuses, status))
    throw new GatewayError("invalid_value", `status must be one of ${statusNames.join(", ")}`, { param: "status" });
  const rows = await ledger.list({
    client: own,
    model: textIn(ctx, "model"),
    channel: textIn(ctx, "channel"),
    traceId: textIn(ctx, "trace_id"),
    statuses: status === undefined ? undefined : statuses[status],
    since: timeIn(ctx, "since"),
    until: timeIn(ctx, "until"),
    after,
    limit: limit + 1,
  });
  const page = rows.slice(0, limit).map((row) => ({ ...describe(ctx, gateway, row), ...row.error }));
  ctx.set("cache-control", "no-store");
  ctx.body = {
    object: "list",
    scope: isOperator ? "all" : "own",
    data: page,
    has_more: rows.length > limit,
    last_id: page.at(-1)?.id ?? null,
  };
}

/** A time of the query in epoch milliseconds: Unix seconds, or a date. */
function timeIn(ctx: RouterContext, name: string): number | undefined {
  const text = textIn(ctx, name);
  if (text === undefined) return undefined;
  const time = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text);
  if (!Number.isFinite(time))
    throw new GatewayError("invalid_value", `${name} must be Unix seconds or a date such as 2026-11-28T12:00:00Z`, { param: name });
  return Math.floor(time);
}

const seconds = (time: number) => Math.floor(time / 1000);

/** The row of a request, as its client and the operator see it, without what it failed with. */
function describe(ctx: RouterContext, gateway: Gateway, row: RequestRow) {
  const {
    id,
    model,
    status,
    operation,
    createdAt,
    startedAt,
    endedAt,
    expiresAt,
    channel,
    attempts,
    n,
    made,
    pictures,
    usage,
    costNanos,
    costFrom,
  } = row;
  const origin = originOf(ctx, gateway);
  const { isOperator } = ctx.state as RequestState;
  return {
    id,
    object: "request",
    status: shownStatus(status),
    ...(status === "unknown" && { uncertain: true }),
    ...(row.job && { job: true }),
    ...(row.repeats !== undefined && { repeats: row.repeats }),
    ...(isOperator && { client: row.client }),
    model,
    operation,
    created_at: seconds(createdAt),
    ...(startedAt !== undefined && { started_at: seconds(startedAt) }),
    ...(endedAt !== undefined && { ended_at: seconds(endedAt), seconds: (endedAt - createdAt) / 1000, http_status: row.httpStatus }),
    expires_at: seconds(expiresAt),
    channel,
    attempts,
    n,
    made,
    pictures: pictures?.map(({ stored, url, mediaType, width, height, bytes }) => ({
      url: stored === undefined ? url : `${origin}/images/${stored}`,
      media_type: mediaType,
      width,
      height,
      bytes,
    })),
    usage,
    ...(costNanos !== undefined && { cost: costNanos / 1e9 }),
    cost_from: costFrom,
    ...(row.changes && row.changes.length > 0 && { changes: row.changes }),
    trace_id: row.traceId,
  };
}

/** An outcome that nobody will know is a failure to the client. */
export const shownStatus = (status: RequestStatus) => (status === "unknown" ? "failed" : status);

/** A request as its client sees it, its pictures as URLs of the store. */
export async function viewOf(
  ctx: RouterContext,
  gateway: Gateway,
  row: RequestRow,
): Promise<{ id: string; status: string } & Record<string, unknown>> {
  const { id, status, model, createdAt, expiresAt, error, answer, channel, attempts, progress, endedAt, job } = row;
  const result = answer === undefined ? undefined : await resultOf(ctx, gateway, answer);
  // Of a request that was answered at once there is nothing to be kept.
  const isExpired = status === "completed" && !result && (answer !== undefined || job);
  return {
    id,
    status: isExpired ? "expired" : shownStatus(status),
    model,
    created_at: seconds(createdAt),
    expires_at: seconds(expiresAt),
    ...(progress !== undefined && endedAt === undefined && { progress }),
    ...(channel !== undefined && { channel }),
    ...(attempts !== undefined && { attempts }),
    ...(result && { result }),
    ...error,
  };
}

/** The body that the answer had, with URLs; undefined where it is no longer kept. */
async function resultOf(ctx: RouterContext, gateway: Gateway, document: string): Promise<object | undefined> {
  const origin = originOf(ctx, gateway);
  const made = await readKeptAnswer(gateway.store, document, (id) => `${origin}/images/${id}`);
  if (!made) return undefined;
  let text = "";
  await answerBody(made).writeTo((piece) => void (text += String(piece)));
  return JSON.parse(text) as object;
}
