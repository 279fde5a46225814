// How the gateway stands: readiness for balancers, details for the operator, numbers for Prometheus.
import type { Context } from "koa";
import { beginOf } from "../channels/life.ts";
import { leastLeft } from "../gateway/budget.ts";
import { livingModels } from "../gateway/life.ts";
import { channelStates } from "../gateway/states.ts";
import type { Gateway, RequestState } from "./gateway.ts";

/**
 * GET /readyz: whether any model can be served, and whether the operator's files are all in force. Anybody may read that; the lines of the
 * files, and reasons that may name secrets' places, are for the operator alone.
 */
export async function ready(ctx: Context, gateway: Gateway): Promise<void> {
  const table = gateway.table();
  const isOn = livingModels(table, gateway.routing.date()).length > 0;
  const status = gateway.life?.ending ? "shutting down" : isOn ? "ready" : "no channel is on";
  ctx.status = status === "ready" ? 200 : 503;
  const shared = gateway.routing.state.standing();
  const { reload, broken = [] } = gateway.config?.() ?? {};
  const channels = channelStates(table, gateway.routing, broken);
  const isOwn = (ctx.state as RequestState).isOperator === true;
  const { writable, freeBytes } = await gateway.store.disk();
  ctx.set("cache-control", "no-store");
  ctx.body = {
    status,
    // Files that could not be loaded do not stop the others from serving.
    config: reload?.ok === false ? "degraded" : "ok",
    ...(reload?.since && { since: reload.since }),
    ...(isOwn && reload && { reload }),
    // Pictures go out without being stored, so that a full disk takes nobody out of service.
    store: { writable, free_bytes: freeBytes },
    channels: isOwn ? channels : channels.map(({ name, state }) => ({ name, state })),
    ...(shared !== "own" && { shared_state: shared }),
    ...(isOwn && gateway.durable && { ledger: { available: !gateway.durable.ledger.state.isAway } }),
  };
}

/** GET /metrics, for Prometheus. */
export async function metricsPage(ctx: Context, gateway: Gateway): Promise<void> {
  const { registry } = gateway.metrics;
  ctx.body = await (gateway.metricsOfAll?.() ?? registry.metrics());
  ctx.type = registry.contentType;
}

/** How the store's disk is, for the metrics. */
export async function measureStore({ store, metrics }: Gateway): Promise<void> {
  const { writable, freeBytes } = await store.disk();
  metrics.storeWritable.set(Number(writable));
  metrics.storeFreeBytes.set(freeBytes);
}

/** How the ledger stands at the moment, for the metrics. */
export function measureLedger({ durable, metrics }: Gateway): void {
  if (!durable) return;
  const { isAway, lost } = durable.ledger.state;
  metrics.ledgerUp.set(Number(!isAway));
  metrics.ledgerRowsLost.reset();
  metrics.ledgerRowsLost.inc(lost);
}

/** How many events wait, for the metrics; while the ledger is away, as many as there were. */
export async function measureWebhooks({ durable, metrics }: Gateway): Promise<void> {
  const { ledger } = durable ?? {};
  const waiting = ledger?.state.isAway === false ? await ledger.deliveries.waiting().catch(() => undefined) : undefined;
  if (waiting !== undefined) metrics.webhooksWaiting.set(waiting);
}

/** The amounts that are left of budgets, for the metrics; while the ledger is away, as much as there was. */
export async function measureBudgets({ durable, keys, metrics }: Gateway): Promise<void> {
  const { ledger } = durable ?? {};
  if (!ledger || ledger.state.isAway) return;
  const left = await leastLeft(keys.budgeted(), Date.now(), ledger.spending).catch(() => undefined);
  if (!left) return;
  metrics.budgetLeftUsd.reset();
  for (const { client, nanos } of left) metrics.budgetLeftUsd.set({ key: client.name }, nanos / 1e9);
}

/** How the channels stand at the moment, for the metrics. */
export function measureChannels(gateway: Gateway): void {
  const { routing, metrics } = gateway;
  const { reload, broken = [] } = gateway.config?.() ?? {};
  metrics.configOk.set(Number(reload?.ok ?? true));
  metrics.channelsBroken.set(broken.length);
  const shared = routing.state.standing();
  if (shared === "own") metrics.redisUp.remove();
  else metrics.redisUp.set(Number(shared === "shared"));
  metrics.coolDown.reset();
  metrics.channelInFlight.reset();
  metrics.channelWaiting.reset();
  metrics.modelRetires.reset();
  for (const { id, routes } of livingModels(gateway.table(), routing.date()))
    for (const { channel, life } of routes)
      if (life?.shutdown !== undefined) metrics.modelRetires.set({ channel: channel.name, model: id }, beginOf(life.shutdown) / 1000);
  for (const { name, state, resting = [] } of channelStates(gateway.table(), routing)) {
    if (state === "off") continue;
    metrics.channelWaiting.set({ channel: name }, routing.limits.waiting(name));
    metrics.channelInFlight.set({ channel: name }, routing.limits.inFlight(name));
    for (const { what, seconds } of resting) metrics.coolDown.set({ channel: name, what }, seconds);
  }
}
