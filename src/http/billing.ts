// Answers existing tools that ask how much a key may spend, and what it has spent. Each answer has the shape that those tools read.
import type { RouterContext } from "@koa/router";
import type { BudgetState } from "../gateway/budget.ts";
import type { Client } from "../gateway/client.ts";
import { boundsOf } from "../ledger/spending.ts";
import { dayOf, totalOf, type Sums } from "../ledger/usage.ts";
import type { Gateway, RequestState } from "./gateway.ts";
import { showGeneration } from "./generation-facts.ts";
import { budgetsOf, firstOfMonth, knownCost, ledgerOf, rangeIn, sumOver } from "./usage.ts";

/** Limit of a key that has none, in USD, where a shape has no word for that: relays say the same, and it leaves something of any amount spent. */
export const unlimited = 100_000_000;

/** Units of a USD in which a quota is counted: relays have so many, and some of their clients know no other number. */
export const quotaUnits = 500_000;

type Serve = (ctx: RouterContext, gateway: Gateway) => void | Promise<void>;

const clientOf = (ctx: RouterContext) => (ctx.state as RequestState).client as Client;

/** The budget of which the least is left, where the key has one: these shapes have room for one. */
async function budgetOf(ctx: RouterContext, gateway: Gateway): Promise<BudgetState | undefined> {
  return (await budgetsOf(clientOf(ctx), gateway)).sort((one, other) => one.left - other.left)[0];
}

/** GET /dashboard/billing/subscription: the limit, as OpenAI's dashboard had it and relays have it. */
async function showSubscription(ctx: RouterContext, gateway: Gateway): Promise<void> {
  const { expires = 0 } = clientOf(ctx);
  const budget = await budgetOf(ctx, gateway);
  const limit = budget ? budget.limit / 1e9 : unlimited;
  ctx.body = {
    object: "billing_subscription",
    has_payment_method: true,
    soft_limit_usd: limit,
    hard_limit_usd: limit,
    system_hard_limit_usd: limit,
    access_until: Math.floor(expires / 1000),
  };
}

/** GET /dashboard/billing/usage: what was spent from `start_date` to `end_date`, in cents; absent where nobody knows. */
async function showSpent(ctx: RouterContext, gateway: Gateway): Promise<void> {
  const range = rangeIn(ctx, ["start_date", "end_date"], { first: 0, last: dayOf(gateway.routing.date()) });
  const budget = await budgetOf(ctx, gateway);
  if (budget && covers(range, budget, gateway.routing.date())) {
    // Tools that ask for so much subtract it from the limit, and show the rest as what is left.
    ctx.body = { object: "list", total_usage: (budget.spent + budget.reserved) / 1e7 };
    return;
  }
  const { days } = await ledgerOf(gateway).usage({ client: clientOf(ctx).id, ...range });
  const sums = totalOf(days.values());
  ctx.body = { object: "list", ...(knownCost(sums) !== undefined && { total_usage: sums.nanos / 1e7 }) };
}

/** True for days among which is all of the budget's period so far. Of a total, the rows are no longer there that are older than a month. */
function covers({ first, last }: { first: number; last: number }, { per }: BudgetState, now: number): boolean {
  const since = per === "total" ? dayOf(now) - 31 : dayOf(boundsOf(per, now).since);
  return first <= since && last >= dayOf(now);
}

/** GET /api/usage/token/: the quota of a key, as relays count it. */
async function showQuota(ctx: RouterContext, gateway: Gateway): Promise<void> {
  const { id, name, expires = 0, allows } = clientOf(ctx);
  const { days } = await ledgerOf(gateway).usage({ client: id, first: 0, last: dayOf(gateway.routing.date()) });
  const budget = await budgetOf(ctx, gateway);
  const used = budget ? budget.limit - budget.left : totalOf(days.values()).nanos;
  const models = [...gateway.table().models.keys()];
  const allowed = models.filter(allows);
  const isBounded = allowed.length < models.length;
  ctx.body = {
    code: true,
    message: "ok",
    data: {
      object: "token_usage",
      name,
      total_granted: quotaOf(budget?.limit ?? used),
      total_used: quotaOf(used),
      total_available: quotaOf(budget?.left ?? 0),
      unlimited_quota: !budget,
      model_limits: Object.fromEntries(isBounded ? allowed.map((model) => [model, true]) : []),
      model_limits_enabled: isBounded,
      expires_at: Math.floor(expires / 1000),
    },
  };
}

const quotaOf = (nanos: number) => Math.round((nanos / 1e9) * quotaUnits);

/** GET /api/status: in which units quotas are. */
function showUnits(ctx: RouterContext): void {
  ctx.body = { success: true, message: "", data: { quota_per_unit: quotaUnits, quota_display_type: "USD", display_in_currency: true } };
}

const resetOf = { day: "daily", month: "monthly", total: null } as const;

/** GET /v1/key: the limit of a key and what it spent, of this day, week and month in UTC. */
async function showKey(ctx: RouterContext, gateway: Gateway): Promise<void> {
  const { id, name, expires } = clientOf(ctx);
  const today = dayOf(gateway.routing.date());
  const usage = await ledgerOf(gateway).usage({ client: id, first: 0, last: today });
  const usd = ({ nanos }: Sums) => nanos / 1e9;
  // The first of January 1970 was a Thursday; weeks begin on Monday.
  const monday = today - ((today + 3) % 7);
  const all = totalOf(usage.days.values());
  const budget = await budgetOf(ctx, gateway);
  ctx.body = {
    data: {
      label: name,
      limit: budget ? budget.limit / 1e9 : null,
      limit_remaining: budget ? budget.left / 1e9 : null,
      limit_reset: budget ? resetOf[budget.per] : null,
      usage: usd(all),
      usage_daily: usd(sumOver(usage, today, today)),
      usage_weekly: usd(sumOver(usage, monday, today)),
      usage_monthly: usd(sumOver(usage, firstOfMonth(today), today)),
      unpriced_requests: all.unpriced,
      byok_usage: 0,
      byok_usage_daily: 0,
      byok_usage_weekly: 0,
      byok_usage_monthly: 0,
      include_byok_in_limit: false,
      is_free_tier: false,
      is_management_key: false,
      is_provisioning_key: false,
      creator_user_id: null,
      expires_at: expires === undefined ? null : new Date(expires).toISOString(),
      rate_limit: { requests: -1, interval: "10s", note: "there is none here" },
    },
  };
}

/** The addresses at which tools look for these, and what answers there. */
export const billing: Readonly<Record<string, Serve>> = {
  "/v1/dashboard/billing/subscription": showSubscription,
  "/dashboard/billing/subscription": showSubscription,
  "/v1/dashboard/billing/usage": showSpent,
  "/dashboard/billing/usage": showSpent,
  "/api/usage/token": showQuota,
  "/api/status": showUnits,
  "/v1/key": showKey,
  "/v1/auth/key": showKey,
  "/api/v1/key": showKey,
  "/api/v1/auth/key": showKey,
  "/v1/generation": showGeneration,
  "/api/v1/generation": showGeneration,
};
