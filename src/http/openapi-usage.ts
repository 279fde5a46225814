// Describes what requests cost in sum, and the addresses at which existing tools ask for that.
import { periods } from "../ledger/spending.ts";
import { failures, json } from "./openapi-parts.ts";
import { query } from "./openapi-requests.ts";
import type { Json } from "./openapi-shapes.ts";

const usd = (description: string): Json => ({ type: "number", description });
const maybe = (type: string, description?: string): Json => ({ type: [type, "null"], ...(description && { description }) });
const object = (members: Json, more: Json = {}): Json => ({
  type: "object",
  required: Object.keys(members),
  properties: { ...members, ...more },
});

const sums: Json = {
  requests: { type: "integer" },
  pictures: { type: "integer", description: "Pictures that were made." },
  cost: maybe("number", "USD, as far as it is known, with `uncertain_cost`; null where something was made and nothing is known."),
  unpriced_requests: { type: "integer", description: "Those of which nobody knows what they cost. They are not in `cost`." },
  uncertain_requests: { type: "integer", description: "Those of which nobody knows whether a picture was made." },
  uncertain_cost: usd("The most that these can have cost, in USD."),
};
const by = (name: string): Json => ({ type: "array", items: object({ [name]: { type: "string" }, ...sums }) });

const budget = object({
  per: { enum: periods },
  limit: usd("The most that it may spend in the period, in USD."),
  spent: usd("Spent in it so far."),
  reserved: usd("Kept for requests that are under way."),
  left: usd("Left of it."),
  resets_at: maybe("integer", "Unix seconds at which the next period begins; null for a total."),
});

const usage = object(
  {
    object: { const: "usage" },
    today: object(sums),
    month: object(sums),
    start: { type: "string", format: "date" },
    end: { type: "string", format: "date" },
    total: object(sums),
    by_day: by("date"),
    by_model: by("model"),
  },
  {
    budgets: { type: "array", items: budget, description: "Of a client; empty where nothing bounds what it may spend." },
    by_client: { ...by("client"), description: "For the operator." },
  },
);

const date = (name: string, description: string): Json => query(name, description, { type: "string", format: "date" });

const subscription = object({
  object: { const: "billing_subscription" },
  has_payment_method: { type: "boolean" },
  soft_limit_usd: { type: "number" },
  hard_limit_usd: usd("What this key may spend; 100000000 where nothing bounds it."),
  system_hard_limit_usd: { type: "number" },
  access_until: { type: "integer", description: "Unix seconds at which the key expires; 0 for never." },
});

const spent = object(
  { object: { const: "list" } },
  { total_usage: { type: "number", description: "In cents; absent where nobody knows it." } },
);

const quota = object({
  code: { const: true },
  message: { type: "string" },
  data: object({
    object: { const: "token_usage" },
    name: { type: "string" },
    total_granted: { type: "integer", description: "In units of which 500000 are a USD." },
    total_used: { type: "integer" },
    total_available: { type: "integer" },
    unlimited_quota: { type: "boolean" },
    model_limits: { type: "object", additionalProperties: { type: "boolean" } },
    model_limits_enabled: { type: "boolean" },
    expires_at: { type: "integer", description: "Unix seconds; 0 for never." },
  }),
});

const units = object({
  success: { const: true },
  message: { type: "string" },
  data: object({
    quota_per_unit: { type: "integer" },
    quota_display_type: { const: "USD" },
    display_in_currency: { const: true },
  }),
});

const key = object({
  data: object({
    label: { type: "string" },
    limit: maybe("number", "USD that this key may spend; null where nothing bounds it."),
    limit_remaining: maybe("number"),
    limit_reset: maybe("string"),
    usage: usd("What the requests that are still known cost, in USD, as far as that is known."),
    usage_daily: usd("Of this day, in UTC."),
    usage_weekly: usd("From Monday on."),
    usage_monthly: usd("Of this month."),
    unpriced_requests: { type: "integer", description: "Those of which nobody knows what they cost." },
    expires_at: maybe("string"),
  }),
});

const generation = object({
  data: object({
    id: { type: "string" },
    model: { type: "string" },
    api_type: { const: "image" },
    created_at: { type: "string", format: "date-time" },
    provider_name: maybe("string", "The channel that was asked last."),
    total_cost: maybe("number", "In USD; null where nobody knows it."),
    usage: maybe("number", "The same."),
    latency: { type: "number", description: "Milliseconds." },
    generation_time: { type: "number", description: "Milliseconds from when it was given to a channel." },
    num_media_completion: { type: "integer", description: "Pictures that were made." },
    tokens_prompt: maybe("integer"),
    tokens_completion: maybe("integer"),
    native_tokens_completion_images: maybe("integer"),
    cancelled: { type: "boolean" },
    finish_reason: { enum: ["stop", "content_filter", "error"] },
  }),
});

const dates = [
  date("start_date", "The first day, in UTC; the first that is known when omitted."),
  date("end_date", "The last day; today when omitted."),
];

/** An address at which tools ask; the others of the same are as much in use. */
function asked(operationId: string, summary: string, schema: Json, { parameters = [] as Json[], statuses = [401, 404, 503] } = {}): Json {
  const responses = { 200: { description: "As existing tools read it.", content: json(schema) }, ...failures(...statuses) };
  return { get: { operationId, summary, tags: ["usage"], ...(parameters.length > 0 && { parameters }), responses } };
}

function everywhere(
  paths: readonly string[],
  [operationId, summary]: [string, string],
  schema: Json,
  more?: Parameters<typeof asked>[3],
): Json {
  return Object.fromEntries(
    paths.map((path, index) => [path, asked(`${operationId}${index === 0 ? "" : index + 1}`, summary, schema, more)]),
  );
}

/** Paths of usage. */
export const usagePaths: Json = {
  "/v1/usage": {
    get: {
      operationId: "showUsage",
      summary: "Show what the client's own requests cost; to the operator those of all.",
      tags: ["usage"],
      parameters: [
        date("start", "The first day, in UTC; that of this month when omitted."),
        date("end", "The last day; today when omitted."),
        query("client", "Only of this client; for the operator."),
      ],
      responses: {
        200: { description: "Sums over requests that began in these days.", content: json(usage) },
        ...failures(400, 401, 404, 503),
      },
    },
  },
  ...everywhere(
    ["/v1/dashboard/billing/subscription", "/dashboard/billing/subscription"],
    ["showSubscription", "Show what the key may spend."],
    subscription,
  ),
  ...everywhere(
    ["/v1/dashboard/billing/usage", "/dashboard/billing/usage"],
    ["showSpent", "Show what the key has spent, in cents."],
    spent,
    { parameters: dates, statuses: [400, 401, 404, 503] },
  ),
  ...everywhere(["/api/usage/token"], ["showQuota", "Show the quota of the key."], quota),
  ...everywhere(["/api/status"], ["showUnits", "Show the units of quotas."], units, { statuses: [401] }),
  ...everywhere(
    ["/v1/key", "/v1/auth/key", "/api/v1/key", "/api/v1/auth/key"],
    ["showKey", "Show the limit of the key and what it has spent."],
    key,
  ),
  ...everywhere(["/v1/generation", "/api/v1/generation"], ["showGeneration", "Show what became of a request that is over."], generation, {
    parameters: [{ ...query("id", "The `x-request-id` of its answer."), required: true }],
    statuses: [400, 401, 404, 503],
  }),
};
