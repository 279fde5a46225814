// POST /v1/images/estimate and /v1/images/explain: what a request would cost and what would become of it, before it is ordered.
import type { Context } from "koa";
import type { Route } from "../channels/route.ts";
import { explainRoute } from "../gateway/explain.ts";
import { livingRoutes } from "../gateway/life.ts";
import { estimate } from "../gateway/pretend.ts";
import type { Estimate } from "../money/estimate.ts";
import { operationOf } from "../plugin/context.ts";
import type { Gateway, RequestState } from "./gateway.ts";
import { modelFor } from "./models.ts";
import { usualLimits } from "./input-limits.ts";
import { isOperatorOrOwn } from "./operator.ts";
import { ownPictures } from "./own-pictures.ts";
import { readRequest, type ReadRequest } from "./request.ts";

/** Answers with the cost of a generation, or with images of an edit, on each channel that could serve it. Nothing is ordered. */
export async function estimateRequest(ctx: Context, gateway: Gateway): Promise<void> {
  await withRequest(ctx, gateway, async ({ request }, routes) => {
    const channels = await Promise.all(
      routes.map(async (route) => {
        const found = await estimate(route, request);
        const channel = route.channel.name;
        return "cost" in found ? { channel, ...found } : { channel, cost: null, ...{ refused: found.refused.toJSON().error } };
      }),
    );
    const costs = channels.flatMap((one) => ("refused" in one ? [] : [one.cost]));
    return { object: "image.estimate", cost: spanOf(costs), channels };
  });
}

/**
 * Answers with the changes and the cost of a request on each channel that could serve it, and for the operator with the provider's exact requests.
 * Nothing is ordered.
 */
export async function explainRequest(ctx: Context, gateway: Gateway): Promise<void> {
  await withRequest(ctx, gateway, async ({ request, changes, streams }, routes) => {
    const channels: object[] = [];
    for (const route of routes) {
      const { requests, polls, ...told } = await explainRoute(route, request, streams);
      const sent = isOperatorOrOwn(ctx, gateway) && { requests: withoutSecrets(requests, route), polls: withoutSecrets(polls, route) };
      channels.push({ ...told, changes: [...changes, ...told.changes], ...sent });
    }
    return { object: "image.explanation", channels };
  });
}

/** The secrets among the channel's variables are nobody's. Its key is masked already. */
function withoutSecrets(requests: object, { secrets }: Route): unknown {
  const texts = secrets.map((secret) => JSON.stringify(secret).slice(1, -1));
  return JSON.parse(texts.reduce((all, secret) => all.replaceAll(secret, "***"), JSON.stringify(requests)));
}

/** Read a request that is not served, and answer with what is made of it and of the routes that could serve it. */
async function withRequest(
  ctx: Context,
  gateway: Gateway,
  answer: (read: ReadRequest, routes: readonly Route[]) => Promise<object>,
): Promise<void> {
  const table = gateway.table();
  const spool = gateway.spool.scope();
  const today = gateway.routing.date();
  try {
    const read = await readRequest(ctx.req, {
      operation: "generate",
      usualModel: table.defaultModel,
      find: (model) => modelFor(ctx, table, model, today),
      limits: gateway.inputLimits ?? usualLimits,
      spool: spool.inputs,
      own: ownPictures(ctx, gateway),
      signal: (ctx.state as RequestState).signal,
    });
    const { entry, request } = read;
    const operation = operationOf(request);
    const routes = livingRoutes(entry, today).filter(({ operations }) => operations.has(operation));
    const { object, ...found } = (await answer(read, routes)) as { object: string };
    ctx.body = { object, model: entry.id, operation, n: request.n, ...found };
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
