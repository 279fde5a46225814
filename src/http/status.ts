import type { Context } from "koa";
import { channelStates } from "../gateway/states.ts";
import type { Gateway } from "./gateway.ts";

/** GET /readyz: whether any model can be served, and the state of each channel. */
export function ready(ctx: Context, gateway: Gateway): void {
  const table = gateway.table();
  const status = gateway.life?.ending ? "shutting down" : table.models.size > 0 ? "ready" : "no channel is on";
  const reloaded = gateway.reloaded?.();
  ctx.status = status === "ready" ? 200 : 503;
  const shared = gateway.routing.state.standing();
  ctx.body = {
    status,
    // What could not be loaded does not stop what is there from serving.
    ...(reloaded && { reload: reloaded }),
    channels: channelStates(table, gateway.routing),
    ...(shared !== "own" && { shared_state: shared }),
  };
}

/** GET /metrics, for Prometheus. */
export async function metricsPage(ctx: Context, gateway: Gateway): Promise<void> {
  const { registry } = gateway.metrics;
  ctx.body = await (gateway.metricsOfAll?.() ?? registry.metrics());
  ctx.type = registry.contentType;
}

/** How the channels stand at the moment, for the metrics. */
export function measureChannels(gateway: Gateway): void {
  const { routing, metrics } = gateway;
  metrics.resting.reset();
  metrics.alone.set(Number(routing.state.standing() === "alone"));
  metrics.channelInFlight.reset();
  metrics.channelWaiting.reset();
  for (const { name, state, resting = [] } of channelStates(gateway.table(), routing)) {
    if (state === "off") continue;
    metrics.channelWaiting.set({ channel: name }, routing.limits.waiting(name));
    metrics.channelInFlight.set({ channel: name }, routing.limits.inFlight(name));
    for (const { what, seconds } of resting) metrics.resting.set({ channel: name, what }, seconds);
  }
}
