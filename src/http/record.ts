// Writes the row of a plain request into the ledger, behind its answer.
import { GatewayError } from "../errors.ts";
import { billOf, failedPatch, hungUp, madePatch } from "../gateway/ending.ts";
import { lease } from "../gateway/runner.ts";
import type { RequestPatch, RequestRow } from "../ledger/row.ts";
import { idsOf } from "../trace.ts";
import type { DurableService } from "./durable.ts";
import type { Gateway, RequestState } from "./gateway.ts";

/** The part of a request's row that is known from the beginning. */
export function beginningOf(state: RequestState, { lives }: Pick<DurableService, "lives">): Omit<RequestRow, "status"> {
  const { id, client, model = "", createdAt, asked, trace } = state;
  const { operation = "generate", n = 1, startedAt } = asked ?? {};
  const traceId = idsOf(trace).trace_id;
  return { id, client: client?.id ?? "", model, operation, createdAt, startedAt, expiresAt: createdAt + lives().rows, n, traceId };
}

/** The part of a row that says that a request is served from now on. */
export function heldBy({ owner }: Pick<DurableService, "owner">): Pick<RequestRow, "status" | "owner" | "leaseUntil"> {
  return { status: "in_progress", owner, leaseUntil: Date.now() + lease };
}

/** A part of a row that says how a request ended. */
type Ended = RequestPatch & Pick<RequestRow, "status">;

/**
 * Write the row of a request that is over, unless it has one. Nothing is written of a request that named no model. `httpStatus` is the one that
 * the client got, or 499 where it had gone.
 */
export function record({ durable }: Pick<Gateway, "durable">, state: RequestState, httpStatus: number): void {
  if (!durable || !state.asked || state.hasRow) return;
  const { channel, attempts, repeats } = state;
  const { id, client, model, operation, createdAt, startedAt, expiresAt, n, traceId } = beginningOf(state, durable);
  const { costNanos, costFrom } = billOf(state.cost?.());
  const { status, endedAt, pictures, made, usage, changes, error } = endOf(state, httpStatus);
  // Each request writes one: laying objects over each other costs several times as much as naming the members.
  durable.ledger.record({
    id,
    client,
    model,
    operation,
    status,
    createdAt,
    startedAt,
    endedAt,
    expiresAt,
    channel,
    attempts,
    n,
    made,
    pictures,
    usage,
    costNanos,
    costFrom,
    changes,
    error,
    httpStatus,
    repeats,
    traceId,
  });
}

/** The end of the request, for its row. */
function endOf({ made, events, error, asked, failed, mayCost = false, repeats }: RequestState, httpStatus: number): Ended {
  const isHungUp = httpStatus === 499;
  // Pictures of a request that this one repeats stand in that one's row.
  if (made && failed === undefined) return madePatch(repeats === undefined ? made : { pictures: [], changes: [] });
  const told = error ?? (isHungUp ? hungUp() : new GatewayError("upstream_error", "the answer broke off"));
  const pictures = made?.pictures ?? events?.shown ?? [];
  return {
    ...failedPatch(told, { mayCost, isHungUp, prompt: asked?.prompt ?? "" }),
    ...(repeats === undefined && pictures.length > 0 && { pictures: [...pictures], made: pictures.length }),
  };
}
