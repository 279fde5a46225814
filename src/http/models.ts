// Serves the list of models and their schemas.
import type { RouterContext } from "@koa/router";
import type { Context } from "koa";
import { beginOf, endInWords } from "../channels/life.ts";
import { GatewayError } from "../errors.ts";
import { lifeOn, livingModels, livingRoutes } from "../gateway/life.ts";
import { matrixRow, operationsOf } from "../gateway/matrix.ts";
import type { ModelEntry, Table } from "../gateway/table.ts";
import type { Gateway, RequestState } from "./gateway.ts";

/** GET /v1/models: every model that a channel serves now, once. */
export function listModels(ctx: Context, gateway: Gateway): void {
  ctx.body = { object: "list", data: modelPages(ctx, gateway) };
}

/** The models that a client may ask for now, as /v1/models lists them. */
export function modelPages(ctx: Context, gateway: Gateway): object[] {
  return modelsOf(ctx, gateway).map(shown);
}

/** A model as /v1/models/{id} shows it. Throws a 404 where there is none, and a 403 where this client may not ask for it. */
export function modelPage(ctx: Context, gateway: Gateway, id: string): object {
  const now = gateway.routing.date();
  const entry = modelFor(ctx, gateway.table(), id, now);
  if (livingRoutes(entry, now).length === 0) throw shutDown(entry, now);
  return shown(entry);
}

/** GET /v1/models/matrix: what each of them can do, one row a model. */
export function listMatrix(ctx: Context, gateway: Gateway): void {
  ctx.body = { object: "list", data: modelsOf(ctx, gateway).map(matrixRow) };
}

/** The models that a client may ask for now, each with the routes that serve it now. */
function modelsOf(ctx: Context, gateway: Gateway): ModelEntry[] {
  const allows = rightsIn(ctx);
  return livingModels(gateway.table(), gateway.routing.date()).filter(({ id }) => allows(id));
}

/** The models that may be asked for: those of the client, or all for the operator. */
function rightsIn(ctx: Context): (model: string) => boolean {
  const { client, isOperator = false } = ctx.state as RequestState;
  return (model) => isOperator || client?.allows(model) === true;
}

/**
 * The model that a client names, with the routes that serve it now. Throws where there is none, or where the client may not use it. A model that
 * is shut down on every channel has none, unless another may stand in for it: then it comes with the routes it had, which judge the request.
 * `now` is in epoch milliseconds.
 */
export function modelFor(ctx: Context, { models }: Table, id: string, now: number): ModelEntry {
  const allows = rightsIn(ctx);
  const entry = models.get(id);
  if (!entry) throw unknownModel(id);
  if (!allows(id))
    throw new GatewayError("model_not_allowed", `this API key may not use the model ${id}; GET /v1/models lists those it may use`, {
      param: "model",
    });
  const routes = livingRoutes(entry, now);
  const lives = (other: ModelEntry | undefined) => other !== undefined && allows(other.id) && livingRoutes(other, now).length > 0;
  if (routes.length > 0) tellLife(ctx, routes);
  else if (!entry.fallback.some((other) => lives(models.get(other)))) throw shutDown(entry, now);
  return { ...entry, routes: routes.length > 0 ? routes : entry.routes };
}

/** The client's error for a model that no channel has. */
export function unknownModel(id: string): GatewayError {
  const name = JSON.stringify(id.slice(0, 80));
  return new GatewayError("model_not_found", `the model ${name} does not exist; GET /v1/models lists those that do`, { param: "model" });
}

function shutDown({ id, routes }: ModelEntry, now: number): GatewayError {
  return new GatewayError("model_not_found", `the model ${id} ${endInWords(lifeOn(routes), now)}`, { param: "model" });
}

/** Headers for a model whose end is known: `Deprecation` is RFC 9745's, `Sunset` RFC 8594's. */
function tellLife(ctx: Context, routes: ModelEntry["routes"]): void {
  const { deprecated, shutdown } = lifeOn(routes);
  if (deprecated !== undefined) ctx.set("deprecation", `@${beginOf(deprecated) / 1000}`);
  if (shutdown !== undefined) ctx.set("sunset", new Date(beginOf(shutdown)).toUTCString());
}

/** GET /v1/models/{id} and /v1/models/{id}/schema. An id may hold slashes, plain or encoded. */
export function showModel(ctx: RouterContext, gateway: Gateway): void {
  const path = String(ctx.params.id);
  const table = gateway.table();
  const now = gateway.routing.date();
  const id = table.models.has(path) || !path.endsWith("/schema") ? path : path.slice(0, -"/schema".length);
  const entry = modelFor(ctx, table, id, now);
  if (livingRoutes(entry, now).length === 0) throw shutDown(entry, now);
  if (id === path) return void (ctx.body = shown(entry));
  ctx.body = JSON.stringify(entry.schema.bundled);
  ctx.type = "application/schema+json";
}

/** OpenAI's shape, and what the lists of OpenRouter and Vercel say beside it, so that clients can see what a model is for. */
function shown({ id, schema, routes }: ModelEntry) {
  const operations = operationsOf(routes);
  const { shutdown } = lifeOn(routes);
  return {
    id,
    object: "model",
    created: schema.created,
    owned_by: routes[0]?.channel.name,
    ...(shutdown !== undefined && { shutdown_date: shutdown }),
    type: "image",
    operations,
    architecture: { input_modalities: operations.includes("edit") ? ["text", "image"] : ["text"], output_modalities: ["image"] },
    ...(schema.open && { limits: "unknown" }),
  };
}
