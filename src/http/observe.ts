// Gives each request its id and its signal, and tells of it once it is over.
import { randomUUID } from "node:crypto";
import type { Context, Next } from "koa";
import type { Gateway, RequestState } from "./gateway.ts";

// Made once: an error's stack is dear, and every request's signal ends with this.
const hungUp = new Error("the client hung up");

/** One log line and one count a request, whatever became of it. */
export function observe(gateway: Gateway) {
  return async function observe(ctx: Context, next: Next): Promise<void> {
    const began = performance.now();
    const { socket } = ctx.req;
    const sentBefore = socket.bytesWritten;
    const hangUp = new AbortController();
    const state: RequestState = { id: `req_${randomUUID().replaceAll("-", "")}`, signal: hangUp.signal };
    ctx.state = state;
    ctx.set("x-request-id", state.id);
    gateway.metrics.inFlight.inc();
    state.leave = gateway.life?.enter(hangUp);
    ctx.res.once("close", () => {
      // A request that goes on behind its answer is ended by the process alone.
      if (!state.late) {
        state.leave?.();
        if (!ctx.res.writableFinished) hangUp.abort(hungUp);
      }
      gateway.metrics.inFlight.dec();
      const status = state.failed ?? (ctx.res.writableFinished ? ctx.status : 499);
      const seconds = (performance.now() - began) / 1000;
      const bytes = socket.bytesWritten - sentBefore;
      const path = (ctx as { _matchedRoute?: string })._matchedRoute ?? "none";
      const model = state.model ?? "";
      gateway.metrics.requests.inc({ path, model, status: String(status) });
      gateway.metrics.seconds.observe({ path, model }, seconds);
      gateway.metrics.sentBytes.inc({ path }, bytes);
      const { id, client, channel, attempts } = state;
      gateway.log.info(
        {
          request: id,
          method: ctx.method,
          // A stored picture's id is a secret; its beginning is enough to find it by.
          path: ctx.path.replace(/^(\/images\/.{8}).+/, "$1...").slice(0, 200),
          status,
          ms: Math.round(seconds * 1000),
          bytes,
          client: client?.name,
          model: state.model,
          channel,
          attempts,
          repeats: state.repeats,
        },
        "request",
      );
    });
    await next();
  };
}
