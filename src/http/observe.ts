// Gives each request its id and its signal, and reports it once it is over.
import { randomUUID } from "node:crypto";
import type { Context, Next } from "koa";
import type { GatewayError } from "../errors.ts";
import type { Gateway, RequestState } from "./gateway.ts";
import { lastWords } from "./life.ts";
import { record } from "./record.ts";
import { endSpan } from "./request-span.ts";
import { idsOf } from "../trace.ts";

// Made once: an error's stack is expensive, and every request's signal ends with this.
const hungUp = new Error("the client hung up");

/** Writes a log line and counts each request, however it ended. */
export function observe(gateway: Gateway) {
  return async function observe(ctx: Context, next: Next): Promise<void> {
    const began = performance.now();
    const { socket } = ctx.req;
    const sentBefore = socket.bytesWritten;
    const hangUp = new AbortController();
    const trace = gateway.traces.read(ctx.req.headers.traceparent);
    const state: RequestState = { id: newId(), signal: hangUp.signal, createdAt: Date.now(), trace };
    ctx.state = state;
    ctx.set("x-request-id", state.id);
    gateway.metrics.inFlight.inc();
    state.leave = gateway.life?.enter(hangUp);
    const path = shownPath(ctx.req.url ?? "");
    let status: number | undefined;
    let isServed = false;
    const recordOnce = () => {
      if (status !== undefined && isServed) record(gateway, state, status);
    };
    ctx.res.once("close", () => {
      // A request that goes on behind its answer is ended by the process alone.
      if (!state.late) {
        state.leave?.();
        if (!ctx.res.writableFinished) hangUp.abort(hungUp);
      }
      gateway.metrics.inFlight.dec();
      status = state.failed ?? (ctx.res.writableFinished ? ctx.res.statusCode : 499);
      try {
        tell(gateway, ctx, { path, status, seconds: (performance.now() - began) / 1000, bytes: socket.bytesWritten - sentBefore });
        recordOnce();
      } catch (error) {
        // Nothing catches what a listener throws, and it would end every other request with the process.
        gateway.log.error({ request: state.id, ...idsOf(state.trace), err: error }, "the request could not be told of");
      }
    });
    // Code of a request that throws outside of its promises, in a timer or a listener, ends that request and no other.
    const end = (error: GatewayError) => {
      hangUp.abort(error);
      setTimeout(() => ctx.res.destroy(), lastWords).unref();
    };
    try {
      await (gateway.life ? gateway.life.run({ id: state.id, end }, next) : next());
    } finally {
      // The attempts of a client that has gone end only now.
      isServed = true;
      recordOnce();
    }
  };
}

/** An id that nobody can guess. It begins with the time, so that the ledger writes rows of one time beside each other. */
function newId(): string {
  return `req_${Date.now().toString(16).padStart(12, "0")}${randomUUID().replaceAll("-", "").slice(12)}`;
}

/** Facts known only at the request's end. */
interface Ended {
  path: string;
  /** The status that says how it ended; 499 where the client had gone. */
  status: number;
  seconds: number;
  bytes: number;
}

function tell({ metrics, log }: Gateway, ctx: Context, { path, status, seconds, bytes }: Ended): void {
  const state = ctx.state as RequestState;
  const { id, client, channel, attempts, repeats } = state;
  const cost = state.cost?.();
  const route = (ctx as { _matchedRoute?: string })._matchedRoute ?? "none";
  const model = state.model ?? "";
  endSpan(state, { method: ctx.method, route, status });
  metrics.requests.inc({ path: route, model, status: String(status) });
  metrics.seconds.observe({ path: route, model }, seconds);
  metrics.sentBytes.inc({ path: route }, bytes);
  const ms = Math.round(seconds * 1000);
  const { trace_id, span_id } = idsOf(state.trace);
  log.info(
    {
      request: id,
      method: ctx.req.method,
      path,
      status,
      ms,
      bytes,
      client: client?.name,
      model: state.model,
      channel,
      attempts,
      repeats,
      cost_usd: cost?.nanos && cost.nanos / 1e9,
      cost_from: cost?.from,
      trace_id,
      span_id,
    },
    "request",
  );
}

/**
 * A target as the log shows it: without its query, and of a stored picture's id, which is a secret however its path is written, only the
 * beginning.
 */
function shownPath(target: string): string {
  const [path = ""] = target.slice(0, 2000).split(/[?#]/);
  return path.replaceAll(/(images(?:\/|%2f)+[^/]{8})[^/]{4,}/gi, "$1...").slice(0, 200);
}
