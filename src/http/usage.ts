// GET /v1/usage: what requests cost, by day and by model.
import type { RouterContext } from "@koa/router";
import { GatewayError } from "../errors.ts";
import { budgetStates, type BudgetState } from "../gateway/budget.ts";
import type { Client } from "../gateway/client.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { dayLength, dayOf, totalOf, type Sums, type Usage } from "../ledger/usage.ts";
import type { Gateway, RequestState } from "./gateway.ts";
import { textIn } from "./paging.ts";

/** GET /v1/usage: shows a client its own, and the operator that of all clients, or of the one that `client` names. */
export async function showUsage(ctx: RouterContext, gateway: Gateway): Promise<void> {
  const { client, isOperator } = ctx.state as RequestState;
  const whose = isOperator ? textIn(ctx, "client") : client?.id;
  const ledger = ledgerOf(gateway);
  const known = isOperator && whose !== undefined ? gateway.keys.byId(whose) : client;
  const today = dayOf(gateway.routing.date());
  const month = { first: firstOfMonth(today), last: today };
  const range = rangeIn(ctx, ["start", "end"], month);
  const ofMonth = await ledger.usage({ client: whose, ...month });
  const isMonth = range.first === month.first && range.last === month.last;
  const usage = isMonth ? ofMonth : await ledger.usage({ client: whose, ...range });
  ctx.set("cache-control", "no-store");
  ctx.body = {
    object: "usage",
    today: view(sumOver(ofMonth, today, today)),
    month: view(totalOf(ofMonth.days.values())),
    ...(known && { budgets: (await budgetsOf(known, gateway)).map(budgetView) }),
    start: dateOf(range.first),
    end: dateOf(range.last),
    total: view(totalOf(usage.days.values())),
    by_day: [...usage.days].map(([day, sums]) => ({ date: dateOf(day), ...view(sums) })),
    by_model: dearestFirst(usage.models).map(([model, sums]) => ({ model, ...view(sums) })),
    ...(isOperator && { by_client: dearestFirst(usage.clients).map(([name, sums]) => ({ client: name, ...view(sums) })) }),
  };
}

/** The ledger. Throws a 404 where the gateway has none. */
export function ledgerOf({ durable }: Gateway): Ledger {
  if (!durable) throw new GatewayError("not_found", "this gateway keeps nothing of requests");
  return durable.ledger;
}

/** The states of the budgets of a client. Rejects with `Unavailable` while the ledger is away. */
export function budgetsOf(client: Client, gateway: Gateway): Promise<BudgetState[]> {
  return budgetStates(client, gateway.routing.date(), ledgerOf(gateway).spending);
}

function budgetView({ per, limit, spent, reserved, left, resetsAt }: BudgetState) {
  const [limitUsd, spentUsd, reservedUsd, leftUsd] = [limit, spent, reserved, left].map((nanos) => nanos / 1e9);
  const resets = resetsAt === undefined ? null : Math.floor(resetsAt / 1000);
  return { per, limit: limitUsd, spent: spentUsd, reserved: reservedUsd, left: leftUsd, resets_at: resets };
}

/** The days that two dates of the query name, both included, or those in their place. Throws a 400. */
export function rangeIn(ctx: RouterContext, [start, end]: readonly [string, string], usual: { first: number; last: number }) {
  const range = { first: dayIn(ctx, start) ?? usual.first, last: dayIn(ctx, end) ?? usual.last };
  if (range.last < range.first) throw new GatewayError("invalid_value", `${end} must not be before ${start}`, { param: end });
  return range;
}

function dayIn(ctx: RouterContext, name: string): number | undefined {
  const text = textIn(ctx, name);
  if (text === undefined) return undefined;
  const time = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(text) : NaN;
  // A month has its days, and no more.
  if (!Number.isFinite(time) || dateOf(dayOf(time)) !== text)
    throw new GatewayError("invalid_value", `${name} must be a date such as 2026-11-28`, { param: name });
  return dayOf(time);
}

const dateOf = (day: number) => new Date(day * dayLength).toISOString().slice(0, 10);

/** The first day of the month of a day. */
export function firstOfMonth(day: number): number {
  const date = new Date(day * dayLength);
  return dayOf(Date.UTC(date.getUTCFullYear(), date.getUTCMonth()));
}

/** The sums of the days from `first` to `last`. */
export function sumOver({ days }: Usage, first: number, last: number): Sums {
  return totalOf([...days].filter(([day]) => day >= first && day <= last).map(([, sums]) => sums));
}

/** The cost of requests in USD, as far as it is known; undefined where nothing is, and something was made. */
export function knownCost({ nanos, unpriced }: Sums): number | undefined {
  return nanos === 0 && unpriced > 0 ? undefined : nanos / 1e9;
}

function view(sums: Sums) {
  return {
    requests: sums.requests,
    pictures: sums.pictures,
    cost: knownCost(sums) ?? null,
    unpriced_requests: sums.unpriced,
    uncertain_requests: sums.uncertain,
    uncertain_cost: sums.uncertainNanos / 1e9,
  };
}

function dearestFirst(all: ReadonlyMap<string, Sums>): [string, Sums][] {
  return [...all].sort(([one, a], [other, b]) => b.nanos - a.nanos || (one < other ? -1 : 1));
}
