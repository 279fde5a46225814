// Serves the list of models and their schemas.
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

/** OpenAI's shape, and what OpenRouter's list says beside it, so that clients can tell what a model is for. */
function shown({ id, schema, routes }: ModelEntry) {
  const operations = (["generate", "edit"] as const).filter((name) => routes.some((route) => route.operations.has(name)));
  return {
    id,
    object: "model",
    created: schema.created,
    owned_by: routes[0]?.channel.name,
    operations,
    architecture: { input_modalities: operations.includes("edit") ? ["text", "image"] : ["text"], output_modalities: ["image"] },
  };
}
