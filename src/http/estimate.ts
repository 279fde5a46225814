// POST /v1/images/estimate: what a request would cost, before it is ordered.
import type { Context } from "koa";
import { livingRoutes } from "../gateway/life.ts";
import { estimate } from "../gateway/pretend.ts";
import type { Estimate } from "../money/estimate.ts";
import { operationOf } from "../plugin/context.ts";
import type { Gateway, RequestState } from "./gateway.ts";
import { modelFor } from "./models.ts";
import { readRequest, usualLimits } from "./request.ts";

/** Answers with the cost of a generation, or with images of an edit, on each channel that could serve it. Nothing is ordered. */
export async function estimateRequest(ctx: Context, gateway: Gateway): Promise<void> {
  const state = ctx.state as RequestState;
  const table = gateway.table();
  const spool = gateway.spool.scope();
  const today = gateway.routing.date();
  try {
    const { entry, request } = await readRequest(ctx.req, {
      operation: "generate",
      usualModel: table.defaultModel,
      find: (model) => modelFor(ctx, table, model, today),
      limits: gateway.inputLimits ?? usualLimits,
      spool: spool.inputs,
      signal: state.signal,
    });
    const operation = operationOf(request);
    const routes = livingRoutes(entry, today).filter(({ operations }) => operations.has(operation));
    const channels = await Promise.all(
      routes.map(async (route) => {
        const found = await estimate(route, request);
        const channel = route.channel.name;
        return "cost" in found ? { channel, ...found } : { channel, cost: null, ...{ refused: found.refused.toJSON().error } };
      }),
    );
    const costs = channels.flatMap((one) => ("refused" in one ? [] : [one.cost]));
    ctx.body = { object: "image.estimate", model: entry.id, operation, n: request.n, cost: spanOf(costs), channels };
  } finally {
    await spool.close();
  }
}

/** The span of several estimates, one of which will be; null where nothing is known of one, or there is none. */
function spanOf(costs: readonly (Estimate | null)[]): Estimate | null {
  const known = costs.filter((cost) => cost !== null);
  if (known.length === 0 || known.length < costs.length) return null;
  const highest = known.map((cost) => cost.highest);
  return {
    lowest: Math.min(...known.map(({ lowest }) => lowest)),
    highest: highest.includes(null) ? null : Math.max(...highest.map((usd) => usd ?? 0)),
  };
}
