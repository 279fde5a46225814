// Runs the plugins of a route around calls that are not made, to say what a request would become and cost.
import pino from "pino";
import type { Route } from "../channels/route.ts";
import { clientError, GatewayError, ProviderFailure } from "../errors.ts";
import { estimateOf, type Estimate } from "../money/estimate.ts";
import type { Range } from "../money/units.ts";
import { noSpool } from "../picture/spool.ts";
import { clone } from "../plugin/clone.ts";
import { emptyResult } from "../plugin/compose.ts";
import { operationOf, type PluginContext, type UnifiedRequest } from "../plugin/context.ts";

/** The context of an attempt in which nothing is fetched, kept or sent. */
export function pretendContext(route: Route, input: UnifiedRequest, change: PluginContext["change"]): PluginContext {
  return {
    input,
    operation: operationOf(input),
    request: clone(input),
    result: emptyResult(),
    model: route.model,
    channel: { name: route.channel.name },
    change,
    fetchPicture: () => Promise.reject(new GatewayError("invalid_value", "nothing is fetched here; send the image itself")),
    // A provider that wants URLs is lent the client's images.
    store: { save: () => Promise.resolve({ url: "(a URL of this gateway)", mediaType: "", bytes: 0 }), reachable: true },
    // Images are files that were read already.
    spool: noSpool,
    signal: new AbortController().signal,
    log: pino({ level: "silent" }),
  };
}

/** The cost of a request on a route, or why it cannot be sent there; `unread` where only an image of it would have to be fetched. */
export async function estimate(
  route: Route,
  input: UnifiedRequest,
): Promise<{ cost: Estimate | null } | { refused: GatewayError; unread: boolean }> {
  const ranges: (Range | undefined)[] = [];
  let unread = false;
  try {
    const usual = pretendContext(route, input, () => undefined);
    const ctx: PluginContext = { ...usual, fetchPicture: (...what) => ((unread = true), usual.fetchPicture(...what)) };
    await route.pretend(ctx, ({ request }) => Promise.resolve(void ranges.push(route.pricing.lines?.beforehand(request))));
  } catch (error) {
    const told = error instanceof ProviderFailure ? clientError(error) : error;
    if (told instanceof GatewayError) return { refused: told, unread };
    throw error;
  }
  return { cost: estimateOf(ranges) };
}
