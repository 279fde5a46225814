import type { RouterContext } from "@koa/router";
import type { Context } from "koa";
import { GatewayError } from "../errors.ts";
import type { ModelEntry } from "../gateway/table.ts";
import type { Gateway } from "./gateway.ts";

/** GET /v1/models: every model that a channel serves now, once. */
export function listModels(ctx: Context, gateway: Gateway): void {
  ctx.body = { object: "list", data: [...gateway.table().models.values()].map(shown) };
}

/** GET /v1/models/{id} and /v1/models/{id}/schema. An id may hold slashes, plain or encoded. */
export function showModel(ctx: RouterContext, gateway: Gateway): void {
  const path = String(ctx.params.id);
  const { models } = gateway.table();
  const entry = models.get(path);
  if (entry) return void (ctx.body = shown(entry));
  const schema = path.endsWith("/schema") ? models.get(path.slice(0, -"/schema".length))?.schema : undefined;
  if (!schema)
    throw new GatewayError(
      "model_not_found",
      `the model ${JSON.stringify(path.slice(0, 80))} does not exist; GET /v1/models lists those that do`,
      { param: "model" },
    );
  ctx.body = JSON.stringify(schema.bundled);
  ctx.type = "application/schema+json";
}

// OpenAI's shape wants a time; a model here has none.
function shown({ id, routes }: ModelEntry) {
  return { id, object: "model", created: 0, owned_by: routes[0]?.channel.name };
}
