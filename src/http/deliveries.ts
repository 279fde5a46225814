// Shows the operator the events of jobs, and sends them once more.
import type { RouterContext } from "@koa/router";
import { GatewayError } from "../errors.ts";
import { shownWebhook } from "../gateway/delivery.ts";
import type { Delivery, DeliveryStatus } from "../ledger/deliveries.ts";
import type { Gateway } from "./gateway.ts";

/** Events that the operator is shown, at most: the newest ones say what is wrong. */
export const mostShown = 1000;

/** Events that the operator is shown who names no number: as many as fit on a few screens. */
export const usuallyShown = 50;

const statuses: readonly string[] = ["waiting", "delivered", "failed"] satisfies DeliveryStatus[];

/** GET /admin/webhooks/deliveries: the newest first; `status` and `limit` bound them. */
export async function listDeliveries(ctx: RouterContext, { durable }: Gateway): Promise<void> {
  const { status, limit = String(usuallyShown) } = ctx.query;
  if (status !== undefined && !statuses.includes(String(status)))
    throw new GatewayError("invalid_value", `status must be one of ${statuses.join(", ")}`, { param: "status" });
  const most = Number(limit);
  if (!Number.isInteger(most) || most < 1 || most > mostShown)
    throw new GatewayError("invalid_value", `limit must be a whole number from 1 to ${mostShown}`, { param: "limit" });
  const found = await durable?.ledger.deliveries.list({ status: status as DeliveryStatus | undefined, limit: most });
  ctx.set("cache-control", "no-store");
  ctx.body = { object: "list", data: (found ?? []).map(shown) };
}

/** POST /admin/webhooks/deliveries/{id}/redeliver: send an event from its first attempt on, also to a webhook that wanted no more. */
export async function redeliver(ctx: RouterContext, { durable, log }: Gateway): Promise<void> {
  const { id = "" } = ctx.params;
  if (!(await durable?.ledger.deliveries.redeliver(id, Date.now())))
    throw new GatewayError("not_found", "there is no such event; GET /admin/webhooks/deliveries lists them");
  log.info({ event: id }, "an event is redelivered by the operator");
  ctx.body = { id, redelivered: true };
}

function shown({ createdAt, nextAt, attemptedAt, url, webhook, request, ...delivery }: Delivery): object {
  const seconds = (time: number) => Math.floor(time / 1000);
  return {
    ...delivery,
    webhook: shownWebhook(webhook),
    job: request,
    created_at: seconds(createdAt),
    ...(attemptedAt !== undefined && { attempted_at: seconds(attemptedAt) }),
    ...(delivery.status === "waiting" && { next_at: seconds(nextAt) }),
    ...(url !== undefined && { origin: shownWebhook(url) }),
  };
}
