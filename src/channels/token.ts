// Fetches the tokens that some kinds of auth want.
import { readBody, send, type OutgoingRequest } from "../net/send.ts";

/** Fetch a token from an address of the operator's file. */
export async function fetchToken(request: OutgoingRequest, signal: AbortSignal): Promise<{ status: number; body: unknown }> {
  const incoming = await send(request, signal);
  const text = (await readBody(incoming, tokenLimit, signal)).toString("utf8");
  try {
    return { status: incoming.status, body: JSON.parse(text) };
  } catch {
    return { status: incoming.status, body: text };
  }
}

/** Answer of a token server, in bytes: tokens have some thousand. */
export const tokenLimit = 1024 * 1024;
