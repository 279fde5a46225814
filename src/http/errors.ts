// Turns what was thrown into an answer.
import type { Context, Next } from "koa";
import { GatewayError } from "../errors.ts";
import { ExpressionFailure } from "../expression/cel.ts";
import { Unavailable } from "../ledger/database.ts";
import { doorError } from "./door-errors.ts";
import { mayBePaid, type Gateway, type RequestState } from "./gateway.ts";
import { Stalled } from "./bytes.ts";
import { idsOf } from "../trace.ts";

/** The only place that makes an answer of an error. */
export function errors(gateway: Gateway) {
  return async function errors(ctx: Context, next: Next): Promise<void> {
    try {
      await next();
    } catch (error) {
      const state = ctx.state as RequestState;
      const { signal, id, events, trace } = state;
      const { headersSent, destroyed } = ctx.res;
      const cut = signal.reason instanceof GatewayError ? signal.reason : undefined;
      // The client has gone, or half an answer is out: then only a broken connection shows that it is not whole.
      if ((signal.aborted && !cut) || destroyed || (headersSent && !events)) return void ctx.res.destroy();
      const thrown = cut ?? toldOf(error);
      const known = thrown.code === "shutting_down" ? shuttingDown(state) : thrown;
      state.error = known;
      // The work of one that is answered early goes on, and is reported at its end.
      const isEarly = state.late && known.code === "upstream_timeout";
      if (known.status >= 500 && !expected.has(known.code) && !isEarly)
        gateway.log.error({ request: id, ...idsOf(trace), err: error }, "request failed");
      // The client hears which of its fields it was. A failure that reads no names quotes what was rendered, which no log may show.
      if (known.cause instanceof ExpressionFailure && known.cause.uses.length > 0)
        gateway.log.warn({ request: id, expression: known.cause.message }, "an expression could not take what a request has");
      if (headersSent) {
        state.failed = known.status;
        return events?.fail(known);
      }
      ctx.respond = true;
      ctx.remove("content-length");
      if (error instanceof Stalled) ctx.set("connection", "close");
      [ctx.status, ctx.body] = (state.door && doorError(ctx, state.door, known)) ?? [known.status, known.toJSON()];
      // The API of a door may say it with a 200; for the log and the metrics it has failed all the same.
      if (ctx.status < 400) state.failed = known.status;
      adviseOnRetry(ctx, known);
    }
  };
}

/** The client's error for what was thrown. */
function toldOf(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  if (error instanceof Unavailable)
    return new GatewayError("ledger_unavailable", "the gateway cannot reach what it keeps of requests at the moment; send this one again", {
      retryAfter: 5,
      cause: error,
    });
  return new GatewayError("internal_error", "internal error", { cause: error });
}

/** Says whether the request may be sent again, which only its end can show. */
function shuttingDown(state: RequestState): GatewayError {
  const advice = mayBePaid(state) ? "the picture may have been made and paid for" : "send the request again";
  return new GatewayError("shutting_down", `the gateway is shutting down; ${advice}`, { retryAfter: 1 });
}

/**
 * Advise clients whether to send the request again. Those of the OpenAI SDKs repeat every 5xx unless this header says no, and after an order
 * that may have been carried out each repeat would be paid for again.
 */
function adviseOnRetry(ctx: Context, { status, retry, retryAfter }: GatewayError): void {
  const mayCost = mayBePaid(ctx.state);
  if (mayCost || status === 429 || status >= 500) ctx.set("x-should-retry", String(retry && !mayCost));
  if (mayCost) return;
  if (retryAfter !== undefined || retry) ctx.set("retry-after", String(retryAfter ?? 1));
}

/** Codes from 500 on that are no trouble of the operator's. */
const expected = new Set(["api_not_implemented", "shutting_down"]);
