// Makes one call of a channel: adds the key if the URL may have it, sends the request, and reads the answer.
import { send, type IncomingAnswer, type OutgoingRequest } from "../net/send.ts";
import type { Trace } from "../trace.ts";
import { open, readAnswer, type Answer } from "./answer.ts";
import type { CallContext } from "./context.ts";

/** Sends one call of a channel and reads the whole answer. Throws `ProviderFailure` if no answer comes, or none that can be read. */
export async function callAndRead(request: OutgoingRequest, context: CallContext, place?: Trace): Promise<Answer> {
  return readAnswer(await open(await call(request, context, { place }), context), context);
}

/**
 * Sends one call of a channel. `sent` is called when the whole request has been written. `place` is the call's place in the trace; the place of its
 * attempt when omitted.
 */
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

/** Adds the header `traceparent`. A channel's own header takes precedence. The header comes after signing, since no scheme signs it. */
function placed(request: OutgoingRequest, trace: Trace | undefined): OutgoingRequest {
  return trace?.leaves ? { ...request, headers: { traceparent: trace.traceparent, ...request.headers } } : request;
}

/** Adds the key to the request, unless the URL must not get it. */
async function authorized(request: OutgoingRequest, url: URL, { key, authorize, mayCarryKey, ctx }: CallContext): Promise<OutgoingRequest> {
  return key !== undefined && authorize && mayCarryKey(url) ? authorize(request, key, ctx.signal) : request;
}
