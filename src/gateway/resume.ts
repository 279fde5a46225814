// Goes on with a task that a provider accepted before, for a process that has gone.
import { createBill } from "../channels/bill.ts";
import type { Progress } from "../channels/route.ts";
import type { AcceptedTask } from "../dialect/orders.ts";
import { GatewayError } from "../errors.ts";
import { readDocument } from "../ledger/documents.ts";
import type { RequestRow } from "../ledger/row.ts";
import type { PictureStore } from "../picture/store.ts";
import { attempt } from "./attempt.ts";
import { beginAttempt, endAttempt } from "./attempt-span.ts";
import { candidatesOf, type Candidate } from "./candidate.ts";
import { outcomeOf, type Attempt, type GenerateContext } from "./generate.ts";
import type { Made } from "./kept-answer.ts";
import type { ModelEntry } from "./table.ts";
import type { Result, UnifiedRequest } from "../plugin/context.ts";

/**
 * Follow the tasks of a request to their pictures, with the channel as it is now, as one more attempt. Nothing is ordered. Throws
 * `ProviderFailure`, or a `GatewayError` where the channel or what is kept of the request is gone.
 */
export async function resume(
  { task }: RequestRow,
  { entry, request }: { entry: ModelEntry; request: UnifiedRequest },
  context: GenerateContext,
  store: PictureStore,
): Promise<Made> {
  const route = entry.routes.find(({ channel, model }) => channel.name === task?.channel && model.id === task.model);
  // A key may have been replaced meanwhile; the account is most likely the same.
  const candidates = route ? candidatesOf(route) : [];
  const candidate = candidates.find(({ scopes }) => scopes.key === task?.key) ?? candidates[0];
  const tasks: AcceptedTask[] = [];
  for (const id of task?.documents ?? []) {
    const kept = (await readDocument(store, id)) as AcceptedTask | undefined;
    if (kept) tasks.push(kept);
  }
  if (!candidate || tasks.length === 0)
    throw new GatewayError(
      "upstream_timeout",
      "the gateway was restarted, and can no longer follow the provider's task, which may have been paid for",
    );
  return follow(candidate, { tasks, request }, context);
}

/** The attempt that follows tasks. It is reported and billed like one that was made here. */
async function follow(
  candidate: Candidate,
  { tasks, request }: { tasks: readonly AcceptedTask[]; request: UnifiedRequest },
  context: GenerateContext,
): Promise<Made> {
  const { route, key } = candidate;
  const { now } = context.routing;
  const bill = createBill(route.pricing);
  const progress: Progress = { submitted: true, accepted: false, bill, orders: context.orders?.(candidate) };
  const began = now();
  const span = beginAttempt(context.trace, route);
  const ended = (outcome: string, result?: Result) => {
    const tried: Attempt = { route, outcome, seconds: (now() - began) / 1000, mayCost: true, cost: bill.cost };
    context.attempted(tried);
    if (!progress.orders?.outlives(context.signal.reason)) context.billed?.(tried);
    endAttempt(span, tried, result);
  };
  try {
    const made = await attempt(route, { key, input: request, tasks, progress }, span ? { ...context, trace: span } : context);
    ended("ok", made.result);
    return { ...made, cost: bill.cost };
  } catch (error) {
    ended(outcomeOf(error, "stop", context.signal));
    throw error;
  }
}
