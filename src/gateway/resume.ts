// Goes on with a task that a provider accepted before, for a process that has gone.
import { createBill } from "../channels/bill.ts";
import type { AcceptedTask } from "../dialect/orders.ts";
import { GatewayError } from "../errors.ts";
import { readDocument } from "../ledger/documents.ts";
import type { RequestRow } from "../ledger/row.ts";
import type { PictureStore } from "../picture/store.ts";
import { attempt, type AttemptContext } from "./attempt.ts";
import { keyScope } from "./candidate.ts";
import type { Made } from "./kept-answer.ts";
import type { ModelEntry } from "./table.ts";
import type { UnifiedRequest } from "../plugin/context.ts";

/**
 * Follow the tasks of a request to their pictures, with the channel as it is now. Nothing is ordered. Throws `ProviderFailure`, or a
 * `GatewayError` where the channel or what is kept of the request is gone.
 */
export async function resume(
  { task }: RequestRow,
  { entry, request }: { entry: ModelEntry; request: UnifiedRequest },
  context: AttemptContext,
  store: PictureStore,
): Promise<Made> {
  const route = entry.routes.find(({ channel, model }) => channel.name === task?.channel && model.id === task.model);
  const tasks: AcceptedTask[] = [];
  for (const id of task?.documents ?? []) {
    const kept = (await readDocument(store, id)) as AcceptedTask | undefined;
    if (kept) tasks.push(kept);
  }
  if (!task || !route || tasks.length === 0)
    throw new GatewayError(
      "upstream_timeout",
      "the gateway was restarted, and can no longer follow the provider's task, which may have been paid for",
    );
  const { keys } = route.channel;
  // A key may have been replaced meanwhile; the account is most likely the same.
  const key = keys.find((one) => keyScope(route.channel, one) === task.key) ?? keys[0];
  const bill = createBill(route.pricing);
  const made = await attempt(route, { key, input: request, tasks, progress: { submitted: true, accepted: false, bill } }, context);
  return { ...made, cost: bill.cost };
}
