// Requests of the operator, with PICTOR_ADMIN_KEY.
import { timingSafeEqual } from "node:crypto";
import type { Context } from "koa";
import { GatewayError } from "../errors.ts";
import { didYouMean } from "../schema/suggest.ts";
import { hashOf, keyIn } from "./client-keys.ts";
import type { Gateway } from "./gateway.ts";

/** True for a request with the operator's key. Takes the same time for every key. */
export function isOperator(ctx: Context, { adminKey }: Gateway): boolean {
  const key = keyIn(ctx.req.headers);
  return adminKey !== undefined && key !== undefined && timingSafeEqual(hashOf(key), hashOf(adminKey));
}

/** True also for the holder of the key that the gateway made and printed for an operator who set none. */
export function isOperatorOrOwn(ctx: Context, gateway: Gateway): boolean {
  const [own, key] = [gateway.ownKey?.(), keyIn(ctx.req.headers)];
  return isOperator(ctx, gateway) || (own !== undefined && key !== undefined && timingSafeEqual(hashOf(key), hashOf(own)));
}

/** Throws a `GatewayError` unless the request is the operator's: a 401, or a 404 where nobody is the operator. */
export function requireOperator(ctx: Context, gateway: Gateway): void {
  if (isOperator(ctx, gateway)) return;
  if (gateway.adminKey === undefined)
    throw new GatewayError("not_found", "this gateway has no operator's key; set PICTOR_ADMIN_KEY where it runs");
  throw new GatewayError("invalid_api_key", "this is for the operator; send the header Authorization: Bearer <PICTOR_ADMIN_KEY>");
}

/** POST /admin/channels/{name}/clear: lift the cool-downs of a channel, its models and its keys, in every process. */
export async function clearChannel(ctx: Context, gateway: Gateway): Promise<void> {
  const { name = "" } = ctx.params as { name?: string };
  const names = gateway.table().channels.map((channel) => channel.name);
  if (!names.includes(name))
    throw new GatewayError("not_found", `there is no channel ${name.slice(0, 200)} (${didYouMean(name.slice(0, 200), names)})`);
  const { health, state } = gateway.routing;
  health.clear(name);
  await state.share("clear", name);
  gateway.log.info({ channel: name }, "cool-downs lifted by the operator");
  ctx.body = { channel: name, cleared: true };
}
