// GET /admin/channels: what the operator wants to know of each channel.
import type { Context } from "koa";
import type { Route } from "../channels/route.ts";
import { estimate } from "../gateway/pretend.ts";
import { channelStates } from "../gateway/states.ts";
import type { Outcomes } from "../ledger/outcomes.ts";
import type { Gateway } from "./gateway.ts";

/** Time over which outcomes are added up, in milliseconds: a day, in which each hour of the provider is once. */
export const outcomesOf = 86_400_000;

/**
 * Each channel with its state and cool-downs, what is under way there, and its models with price, life, and how their requests of the last day
 * ended; and what is wrong in the operator's files.
 */
export async function listChannels(ctx: Context, gateway: Gateway): Promise<void> {
  const { routing, durable } = gateway;
  const table = gateway.table();
  const { reload, broken = [] } = gateway.config?.() ?? {};
  const outcomes = (await durable?.ledger.outcomes(routing.date() - outcomesOf)) ?? [];
  const routes = [...table.models.values()].flatMap((entry) => entry.routes);
  const data = await Promise.all(
    channelStates(table, routing, broken).map(async (state) => ({
      ...state,
      in_flight: routing.limits.inFlight(state.name),
      waiting: routing.limits.waiting(state.name),
      models: await Promise.all(routes.filter(({ channel }) => channel.name === state.name).map((route) => modelOf(route, outcomes))),
    })),
  );
  ctx.set("cache-control", "no-store");
  ctx.body = { object: "list", data, problems: reload?.ok === false ? reload.problems : [] };
}

async function modelOf(route: Route, outcomes: readonly Outcomes[]) {
  const { model, channel, life, operations } = route;
  const found = outcomes.find((one) => one.model === model.id && one.channel === channel.name);
  const price = await estimate(route, { model: model.id, prompt: "a picture", n: 1 });
  return {
    id: model.id,
    operations: [...operations],
    // The price of a usual picture; null where nobody knows it.
    price: "cost" in price ? price.cost : null,
    ...(life?.deprecated !== undefined && { deprecated: life.deprecated }),
    ...(life?.shutdown !== undefined && { shutdown_date: life.shutdown }),
    ...(life?.instead !== undefined && { instead: life.instead }),
    completed: found?.completed ?? 0,
    failed: found?.failed ?? 0,
    ...(found?.took !== undefined && { seconds: found.took / 1000 }),
  };
}
