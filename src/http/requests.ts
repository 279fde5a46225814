// GET /v1/requests/{id}: what came of a request.
import type { RouterContext } from "@koa/router";
import { GatewayError } from "../errors.ts";
import { readKeptAnswer } from "../gateway/kept-answer.ts";
import type { RequestRow } from "../ledger/row.ts";
import { answerBody } from "./answer.ts";
import type { Gateway, RequestState } from "./gateway.ts";
import { originOf } from "./pictures.ts";

/** Wait that is told with an outcome that is not there yet, in seconds: pictures take from a second to some minutes. */
export const lookAgain = 5;

/** Shows a request to its own client. Throws a 404 for any other, and for one of which nothing is kept. */
export async function showRequest(ctx: RouterContext, gateway: Gateway): Promise<void> {
  const { client } = ctx.state as RequestState;
  const id = String(ctx.params.id);
  ctx.set("cache-control", "no-store");
  const late = gateway.routing.late.find(id, client?.name ?? "");
  if (late) {
    const { model, createdAt, status, result, error } = late;
    if (status === "in_progress") ctx.set("retry-after", String(lookAgain));
    ctx.body = { id, object: "request", status, model, created_at: createdAt, ...(result && { result }), ...(error && { error }) };
    return;
  }
  const row = await gateway.durable?.ledger.find(id, client?.id ?? "");
  if (!row)
    throw new GatewayError(
      "not_found",
      "nothing is kept of this request; only jobs are, requests with an Idempotency-Key or a count of retries, and those that were answered with a 504 before their pictures were ready",
    );
  if (row.endedAt === undefined) ctx.set("retry-after", String(lookAgain));
  ctx.body = { object: "request", ...(await viewOf(ctx, gateway, row)) };
}

/** A request as its client sees it, its pictures as URLs of the store. */
export async function viewOf(
  ctx: RouterContext,
  gateway: Gateway,
  row: RequestRow,
): Promise<{ id: string; status: string } & Record<string, unknown>> {
  const { id, status, model, createdAt, expiresAt, error, answer, channel, attempts, progress, endedAt } = row;
  const result = answer === undefined ? undefined : await resultOf(ctx, gateway, answer);
  const isExpired = status === "completed" && !result;
  return {
    id,
    status: isExpired ? "expired" : status === "unknown" ? "failed" : status,
    model,
    created_at: Math.floor(createdAt / 1000),
    expires_at: Math.floor(expiresAt / 1000),
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
