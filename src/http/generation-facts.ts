// GET /v1/generation?id=: what became of a request and what it cost, in the shape that existing tools read.
import type { RouterContext } from "@koa/router";
import { GatewayError } from "../errors.ts";
import type { RequestRow } from "../ledger/row.ts";
import { tokensOf } from "../money/tokens.ts";
import type { Gateway } from "./gateway.ts";
import { textIn } from "./paging.ts";
import { findRequest, servedBy } from "./requests.ts";

/** Shows a request to its own client. Throws a 404 until it is over: those who ask go on asking until then. */
export async function showGeneration(ctx: RouterContext, gateway: Gateway): Promise<void> {
  const id = textIn(ctx, "id");
  if (id === undefined)
    throw new GatewayError("missing_required_parameter", "id is missing; it is the x-request-id of an answer", { param: "id" });
  const row = await servedBy(await findRequest(ctx, gateway, id), gateway);
  if (row.endedAt === undefined) throw new GatewayError("not_found", "the request is not over yet; ask again later");
  ctx.body = { data: { ...unknown, ...factsOf(row), id } };
}

function factsOf(row: RequestRow) {
  const { createdAt, startedAt = createdAt, endedAt = createdAt, status, costNanos, usage, operation } = row;
  // Nobody knows the price of what was made without one; what never came to an order cost nothing.
  const isUnknown = costNanos === undefined && (status === "completed" || status === "unknown");
  const cost = isUnknown ? null : (costNanos ?? 0) / 1e9;
  const tokens = tokensOf(usage, { images: operation === "edit" });
  const count = (...parts: (number | undefined)[]) =>
    parts.every((part) => part === undefined) ? null : parts.reduce<number>((sum, part = 0) => sum + part, 0);
  const cached = count(tokens.cached_input_text_token, tokens.cached_input_image_token);
  const prompt = count(cached ?? undefined, tokens.input_text_token, tokens.input_image_token);
  const completion = count(tokens.output_text_token, tokens.output_image_token);
  return {
    model: row.model,
    provider_name: row.channel ?? null,
    created_at: new Date(createdAt).toISOString(),
    latency: endedAt - createdAt,
    generation_time: endedAt - startedAt,
    total_cost: cost,
    usage: cost,
    tokens_prompt: prompt,
    tokens_completion: completion,
    native_tokens_prompt: prompt,
    native_tokens_completion: completion,
    native_tokens_completion_images: tokens.output_image_token ?? null,
    native_tokens_cached: cached,
    num_media_completion: row.made ?? 0,
    cancelled: status === "cancelled",
    finish_reason: status === "completed" ? "stop" : row.error?.error.code === "content_policy_violation" ? "content_filter" : "error",
    request_id: row.id,
  };
}

/** The facts that this gateway has not. Those who read the shape want every member of it. */
const unknown = {
  api_type: "image",
  is_byok: false,
  origin: "",
  data_region: "global",
  streamed: null,
  upstream_id: null,
  cache_discount: null,
  upstream_inference_cost: null,
  app_id: null,
  moderation_latency: null,
  native_finish_reason: null,
  native_tokens_reasoning: null,
  num_media_prompt: null,
  num_input_audio_prompt: null,
  num_search_results: null,
  num_fetches: null,
  web_search_engine: null,
  service_tier: null,
  external_user: null,
  preset_id: null,
  router: null,
  provider_responses: null,
  user_agent: null,
  http_referer: null,
  session_id: null,
  workspace_id: null,
};
