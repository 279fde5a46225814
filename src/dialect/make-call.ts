// Makes one call of a channel: adds the key where it may go, sends the request, and reads the answer.
import { send, type IncomingAnswer, type OutgoingRequest } from "../net/send.ts";
import type { Trace } from "../trace.ts";
import { open, readAnswer, type Answer } from "./answer.ts";
import type { CallContext } from "./context.ts";

/** Send one call of a channel and read the whole answer. Throws `ProviderFailure` where there is none, or none that can be read. */
export async function callAndRead(request: OutgoingRequest, context: CallContext, place?: Trace): Promise<Answer> {
  return readAnswer(await open(await call(request, context, { place }), context), context);
}

/** Send one call of a channel; `sent` is called when the whole request is out. `place` is that of the call in the trace; that of its attempt when absent. */
export async function call(
  request: OutgoingRequest,
  context: CallContext,
  { sent, place = context.ctx.trace }: { sent?: () => void; place?: Trace | undefined } = {},
): Promise<IncomingAnswer> {
  const url = new URL(request.url);
  const { key, authorize, trusted, patience, divert, ctx } = context;
  const signed = placed(await authorized(request, url, context), place);
  for (const secret of signed.secrets ?? []) (context.made ??= new Set()).add(secret);
  const elsewhere = divert?.(url);
  const incoming = await send(elsewhere === undefined ? signed : { ...signed, url: elsewhere }, ctx.signal, {
    guarded: elsewhere === undefined && !trusted(url),
    ...patience,
    sent,
  });
  if (incoming.status === 401 && key !== undefined) authorize?.turnedAway?.(key);
  return incoming;
}

/** The request with its place in a trace. No scheme of signatures has this header in it, and a channel's own goes before. */
function placed(request: OutgoingRequest, trace: Trace | undefined): OutgoingRequest {
  return trace?.leaves ? { ...request, headers: { traceparent: trace.traceparent, ...request.headers } } : request;
}

/** The request with the key, or as it is where the key must not go. */
async function authorized(request: OutgoingRequest, url: URL, { key, authorize, mayCarryKey, ctx }: CallContext): Promise<OutgoingRequest> {
  return key !== undefined && authorize && mayCarryKey(url) ? authorize(request, key, ctx.signal) : request;
}
