// Gives a client that repeats its request the outcome that may have been paid for, in place of a second order.
import type { Context } from "koa";
import { clientError, GatewayError, ProviderFailure } from "../errors.ts";
import type { UncertainOutcomes } from "../gateway/uncertain.ts";
import { mayBePaid, type RequestState } from "./gateway.ts";
import { isNamed } from "./idempotency.ts";
import { isRetry } from "./patience.ts";

export interface Repeats {
  /** Throws the outcome of the same request, if the client had one a moment ago that may have been paid for. */
  refuse(): Promise<void>;
  /** Remember how this request ended, where something may have been ordered for it. */
  remember(error: unknown): Promise<void>;
  /** Forget it again: nothing was ordered after all. */
  forget(): void;
}

/** `within` is in milliseconds; with 0 nothing is remembered. `fingerprint` reads the request's images, so it is asked for only where it counts. */
export function repeatsOf(ctx: Context, uncertain: UncertainOutcomes, within: number, fingerprint: () => Promise<string>): Repeats {
  const state = ctx.state as RequestState;
  const client = state.client?.name ?? "";
  const idempotencyKey = ctx.get("idempotency-key").trim() || undefined;
  return {
    refuse: async () => {
      const before = await uncertain.find({ client, idempotencyKey, within, retry: isRetry(ctx.req.headers) }, fingerprint);
      if (!before) return;
      const { error, request, age, left } = before;
      const seconds = Math.ceil(left / 1000);
      state.mayCost = true;
      state.repeats = request;
      throw new GatewayError(
        "upstream_error",
        `${error.message}; so ended the same request ${Math.round(age / 1000)} s ago (${request}), which may have been paid for: to order again, send a new Idempotency-Key, or wait ${seconds} s`,
        { providerCode: error.code, status: error.status, param: error.param },
      );
    },
    remember: async (error) => {
      if (!mayBePaid(state) || within === 0) return;
      const untold = state.signal.aborted && !(state.signal.reason instanceof GatewayError);
      // Its retry finds it in the ledger, with the answer where there is one. The row of a request that has no name for its repeats is its own alone.
      if (untold && isNamed(ctx.req.headers) && (state.hasRow === true || state.repeats !== undefined)) return;
      const { code, status, message, param } = untold
        ? new GatewayError("upstream_error", "the client's connection was closed before the answer came")
        : tellable(error);
      const outcome = { client, idempotencyKey, request: state.id, untold, error: { code, status, message, param } };
      await uncertain.add({ ...outcome, fingerprint: await fingerprint() });
    },
    forget: () => uncertain.forget(state.id),
  };
}

/** The client's error for what ended its request; a provider's failure comes here where it broke off an answer whose head was out. */
function tellable(error: unknown): GatewayError {
  if (error instanceof ProviderFailure) return clientError(error);
  return error instanceof GatewayError ? error : new GatewayError("internal_error", "internal error");
}
