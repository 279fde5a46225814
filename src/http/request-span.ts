// The span of a request for pictures, for whoever collects traces.
import { billAttributes, makesPictures } from "../gateway/attempt-span.ts";
import type { Gateway, RequestState } from "./gateway.ts";

/** Begins the span of a request, where somebody collects it: all that is done for the request is a part of it. */
export function beginSpan(state: RequestState, { traces }: Pick<Gateway, "traces">): void {
  const span = traces.request?.({ name: "generate_content", below: state.trace, startedAt: state.createdAt });
  if (span) state.trace = state.span = span;
}

/** End it; `route` is that of the router, and `status` says how the request ended. */
export function endSpan(state: RequestState, { method, route, status }: { method: string; route: string; status: number }): void {
  const { span, id, client, model, asked, channel, attempts, made, error, repeats } = state;
  if (!span) return;
  if (model !== undefined) span.rename(`generate_content ${model}`);
  span.set({
    ...makesPictures,
    "gen_ai.provider.name": channel,
    "gen_ai.request.model": model,
    "gen_ai.request.choice.count": asked?.n,
    "http.request.method": method,
    "http.route": route,
    "http.response.status_code": status,
    "pictor.request": id,
    "pictor.client": client?.name,
    "pictor.operation": asked?.operation,
    "pictor.attempts": attempts,
    "pictor.pictures": made?.pictures.length,
    "pictor.repeats": repeats,
    ...billAttributes(state.cost?.(), made?.usage),
  });
  if (status >= 400) span.fail(error?.code ?? String(status));
  span.end();
}
