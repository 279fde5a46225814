import type { Context } from "koa";
import type { Gateway } from "./gateway.ts";

/** GET /readyz: whether any model can be served, and the state of each channel. */
export function ready(ctx: Context, gateway: Gateway): void {
  const { channels, models } = gateway.table();
  const status = gateway.life?.ending ? "shutting down" : models.size > 0 ? "ready" : "no channel is on";
  const reloaded = gateway.reloaded?.();
  ctx.status = status === "ready" ? 200 : 503;
  ctx.body = {
    status,
    // What could not be loaded does not stop what is there from serving.
    ...(reloaded && { reload: reloaded }),
    channels: channels.map(({ name, off }) => (off ? { name, state: "off", reason: off } : { name, state: "on" })),
  };
}

/** GET /metrics, for Prometheus. */
export async function metricsPage(ctx: Context, gateway: Gateway): Promise<void> {
  ctx.body = await gateway.metrics.registry.metrics();
  ctx.type = gateway.metrics.registry.contentType;
}
