// GET /v1/requests/{id}: what came of a request that was answered before its picture was there.
import type { RouterContext } from "@koa/router";
import { GatewayError } from "../errors.ts";
import type { Gateway, RequestState } from "./gateway.ts";

/** Wait that is told with an outcome that is not there yet, in seconds: pictures take from a second to some minutes. */
export const lookAgain = 5;

/** Shows a request to its own client. Throws a 404 for any other, and for one of which nothing is kept. */
export function showRequest(ctx: RouterContext, { routing }: Gateway): void {
  const { client } = ctx.state as RequestState;
  const found = routing.late.find(String(ctx.params.id), client?.name ?? "");
  if (!found)
    throw new GatewayError(
      "not_found",
      "nothing is kept of this request; only one that was answered with a 504 before its picture was ready is",
    );
  const { id, model, createdAt, status, result, error } = found;
  if (status === "in_progress") ctx.set("retry-after", String(lookAgain));
  ctx.set("cache-control", "no-store");
  ctx.body = { id, object: "request", status, model, created_at: createdAt, ...(result && { result }), ...(error && { error }) };
}
