// Makes calls that follow an order: fetches its result, with retries, or cancels its task.
import { messageOf, ProviderFailure } from "../errors.ts";
import type { Variables } from "../expression/cel.ts";
import type { Answer } from "./answer.ts";
import type { Render } from "./call.ts";
import type { CallContext } from "./context.ts";
import { callAndRead } from "./make-call.ts";
import { usualOf } from "./usual.ts";

/** Tries of a call that fetches the result of an order: the picture may be paid for, and the call orders nothing. */
export const tries = 3;

/** Statuses below 500 that are temporary. */
const passing = new Set([408, 425, 429]);

/** Longest pause between tries to fetch the result of an order, in seconds: a provider may ask for more, but the client is waiting. */
export const longestPause = 30;

/** Time for the call that cancels a task, in milliseconds: the client has gone, and nobody waits for the call. */
export const cancelTime = 10_000;

/** Makes a call that follows an order which may have to be paid for: three tries, with growing pauses. Throws `ProviderFailure`. */
export async function again(render: Render, context: CallContext, variables: Variables): Promise<Answer> {
  const { request } = await render(context, variables);
  for (let attempt = 1; ; attempt += 1) {
    const answer = await callAndRead(request, context).catch((error: unknown) => {
      if (error instanceof ProviderFailure && attempt < tries) return undefined;
      throw error;
    });
    if (answer && (attempt === tries || !(answer.status >= 500 || passing.has(answer.status)))) return answer;
    const seconds = (answer && usualOf(answer).retryAfter) ?? attempt;
    await context.wait(1000 * Math.min(seconds, longestPause), context.ctx.signal);
  }
}

/** Cancels the provider's task. The client has gone, so a failure is only logged. */
export async function stop(cancel: Render, context: CallContext, variables: Variables): Promise<void> {
  try {
    const { request } = await cancel(context, variables);
    // The context's own signal has aborted already.
    await callAndRead(request, { ...context, ctx: { ...context.ctx, signal: AbortSignal.timeout(cancelTime) } });
  } catch (error) {
    context.ctx.log.warn({ reason: messageOf(error) }, "the provider could not be told to cancel");
  }
}
