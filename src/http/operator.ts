// Requests of the operator, with PICTOR_ADMIN_KEY.
import { timingSafeEqual } from "node:crypto";
import type { Context } from "koa";
import { GatewayError } from "../errors.ts";
import { didYouMean } from "../schema/suggest.ts";
import { hashOf, keyIn } from "./client-keys.ts";
import type { Gateway, RequestState } from "./gateway.ts";

/** True for the operator's key. Takes the same time for every key. */
export function isOperatorsKey(key: string, { adminKey }: Gateway): boolean {
  return adminKey !== undefined && timingSafeEqual(hashOf(key), hashOf(adminKey));
}

/** True for the operator, and for the holder of the key that the gateway made and printed for an operator who set none. */
export function isOperatorOrOwn(ctx: Context, gateway: Gateway): boolean {
  const [own, key] = [gateway.ownKey?.(), keyIn(ctx.req.headers)];
  const isOwn = own !== undefined && key !== undefined && timingSafeEqual(hashOf(key), hashOf(own));
  return isOwn || (ctx.state as RequestState).isOperator === true;
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
