import type { RouterContext } from "@koa/router";
import type { Context } from "koa";
import { GatewayError } from "../errors.ts";
import type { ModelEntry, Table } from "../gateway/table.ts";
import type { Gateway, RequestState } from "./gateway.ts";

/** GET /v1/models: every model that a channel serves now, once. */
export function listModels(ctx: Context, gateway: Gateway): void {
  const { client } = ctx.state as RequestState;
  const models = [...gateway.table().models.values()].filter(({ id }) => client?.allows(id));
  ctx.body = { object: "list", data: models.map(shown) };
}

/** The model that a client names, if there is one and it may use it. */
export function modelFor(ctx: Context, { models }: Table, id: string): ModelEntry {
  const entry = models.get(id);
  if (!entry)
    throw new GatewayError(
      "model_not_found",
      `the model ${JSON.stringify(id.slice(0, 80))} does not exist; GET /v1/models lists those that do`,
      { param: "model" },
    );
  if (!(ctx.state as RequestState).client?.allows(id))
    throw new GatewayError("model_not_allowed", `this API key may not use the model ${id}; GET /v1/models lists those it may use`, {
      param: "model",
    });
  return entry;
}

/** GET /v1/models/{id} and /v1/models/{id}/schema. An id may hold slashes, plain or encoded. */
export function showModel(ctx: RouterContext, gateway: Gateway): void {
  const path = String(ctx.params.id);
  const table = gateway.table();
  const id = table.models.has(path) || !path.endsWith("/schema") ? path : path.slice(0, -"/schema".length);
  const entry = modelFor(ctx, table, id);
  if (id === path) return void (ctx.body = shown(entry));
  ctx.body = JSON.stringify(entry.schema.bundled);
  ctx.type = "application/schema+json";
}

// OpenAI's shape wants a time; a model here has none.
function shown({ id, routes }: ModelEntry) {
  return { id, object: "model", created: 0, owned_by: routes[0]?.channel.name };
}
