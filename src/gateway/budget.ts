// Budgets of clients: what a request reserves of them, and how they stand.
import { GatewayError } from "../errors.ts";
import { boundsOf, type Budget, type OverBudget, type Period, type Spendings } from "../ledger/spending.ts";
import type { Route } from "../channels/route.ts";
import { usdText } from "../money/cost.ts";
import { estimateOf, type Estimate } from "../money/estimate.ts";
import type { UnifiedRequest } from "../plugin/context.ts";
import type { Client } from "./client.ts";
import { inputOf, routesFor, type StandIn } from "./generate.ts";
import { estimate } from "./pretend.ts";
import type { ModelEntry } from "./table.ts";

/** The state of a budget. Amounts are in nano-dollars, `left` is never below 0; a total never begins anew. */
export interface BudgetState {
  per: Period;
  limit: number;
  spent: number;
  reserved: number;
  left: number;
  /** Epoch milliseconds. */
  resetsAt?: number;
}

/** The states of the budgets of a client; none where it has none. Rejects with `Unavailable` while the ledger is away. */
export async function budgetStates(
  { id, budgets = [] }: Pick<Client, "id" | "budgets">,
  now: number,
  spending: Pick<Spendings, "of">,
): Promise<BudgetState[]> {
  if (budgets.length === 0) return [];
  const known = await spending.of(id, now);
  return budgets.map(({ per, nanos: limit }) => {
    const { spent = 0, reserved = 0 } = known.find((one) => one.per === per) ?? {};
    const left = Math.max(0, limit - spent - reserved);
    return { per, limit, spent, reserved, left, ...(per !== "total" && { resetsAt: boundsOf(per, now).until }) };
  });
}

/** The nano-dollars that are left of that budget of each client of which the least is left. Rejects with `Unavailable` while the ledger is away. */
export async function leastLeft<C extends Pick<Client, "id" | "budgets">>(
  clients: readonly C[],
  now: number,
  spending: Spendings,
): Promise<{ client: C; nanos: number }[]> {
  const known = clients.length === 0 ? [] : await spending.all(now);
  const of: Spendings["of"] = (id, at) => {
    const own = known.filter(({ client }) => client === id);
    return own.length > 0 ? Promise.resolve(own) : spending.of(id, at);
  };
  return Promise.all(
    clients.map(async (client) => ({
      client,
      nanos: Math.min(...(await budgetStates(client, now, { of })).map(({ left }) => left)),
    })),
  );
}

/** A request, as far as it decides what it can cost. */
export interface Priced {
  entry: ModelEntry;
  request: UnifiedRequest;
  pinned?: string | undefined;
  standIns?: readonly StandIn[] | undefined;
}

/** The nano-dollars that a request reserves, and the budgets of which it does. */
export interface Reservation {
  reservedNanos: number;
  budgets: readonly Budget[];
}

/**
 * The nano-dollars that a request reserves of the budgets of its client, and the budgets; undefined where it has none. Throws a 403 where nobody
 * knows the price and the client may order only what has one. `date` is in epoch milliseconds.
 */
export async function reservationOf(
  { budgets, refusesUnpriced }: Pick<Client, "budgets" | "refusesUnpriced"> = {},
  priced: Priced,
  date: number,
): Promise<Reservation | undefined> {
  if (!budgets && !refusesUnpriced) return undefined;
  const { nanos, isKnown } = await mostOf(priced, date);
  if (refusesUnpriced && !isKnown)
    throw new GatewayError(
      "model_not_allowed",
      "this key may order only what has a price, and nobody knows beforehand what this request would cost; use another model, or ask the operator",
    );
  return budgets && { reservedNanos: nanos, budgets };
}

/** The most that a request can cost; `isKnown` is false where some channel could take more than anybody knows. */
async function mostOf({ entry, request, pinned, standIns = [] }: Priced, date: number): Promise<{ nanos: number; isKnown: boolean }> {
  const asked = [
    { entry, request },
    ...standIns.flatMap((one) => {
      const input = inputOf(one);
      return input ? [{ entry: one.entry, request: input.request }] : [];
    }),
  ];
  let dearest = 0;
  let charged = 0;
  let isKnown = true;
  for (const one of asked)
    for (const route of routesFor(one.entry, one.request, { date, pinned })) {
      const found = await mostOn(route, one.request);
      if (found === "unfit") continue;
      isKnown &&= found?.highest !== undefined && found.highest !== null;
      const most = Math.round((found?.highest ?? found?.lowest ?? 0) * 1e9);
      // Another attempt follows one that may have to be paid for, once on each of these.
      if (route.unsafe) charged += most;
      else dearest = Math.max(dearest, most);
    }
  return { nanos: charged + dearest, isKnown };
}

/** The cost of a request on a route; `unfit` where it cannot be sent there. */
async function mostOn(route: Route, request: UnifiedRequest): Promise<Estimate | null | "unfit"> {
  const found = await estimate(route, request);
  if ("cost" in found) return found.cost;
  if (!found.unread) return "unfit";
  // Its plugins cannot say what they would make of the images; each picture takes a call of its own at most.
  const { lines } = route.pricing;
  const [whole, each] = [estimateOf([lines?.beforehand(request)]), estimateOf([lines?.beforehand({ ...request, n: 1 })])];
  if (!whole || !each) return null;
  return {
    lowest: whole.lowest,
    highest: whole.highest === null || each.highest === null ? null : Math.max(whole.highest, each.highest * request.n),
  };
}

/** The error of a client whose request does not fit into its budgets. Rejects with `Unavailable` while the ledger is away. */
export async function overBudget(
  { request: { client, createdAt, reservedNanos = 0 }, budgets }: OverBudget,
  spending: Pick<Spendings, "of">,
): Promise<GatewayError> {
  const states = await budgetStates({ id: client, budgets }, createdAt, spending);
  return new GatewayError(
    "insufficient_quota",
    `this request can cost ${usdText(reservedNanos)} USD; ${states.map((state) => stateText(state)).join(", and ")}`,
    { retry: false },
  );
}

/** A budget in words: `of this key's budget of 50 USD a month 0.02 USD are left, and it begins anew at 2026-12-01T00:00:00.000Z`. */
function stateText({ per, limit, left, reserved, resetsAt }: BudgetState): string {
  const budget = `${usdText(limit)} USD ${per === "total" ? "in total" : `a ${per}`}`;
  const underWay = reserved > 0 ? ` (${usdText(reserved)} USD are reserved for requests under way)` : "";
  const anew = resetsAt === undefined ? "never begins anew" : `begins anew at ${new Date(resetsAt).toISOString()}`;
  return `of this key's budget of ${budget} ${usdText(left)} USD are left${underWay}, and it ${anew}`;
}
