// Says what becomes of a request on a channel: the changes, the provider's exact requests, the cost.
import { buffer } from "node:stream/consumers";
import type { Route } from "../channels/route.ts";
import { clientError, GatewayError, ProviderFailure } from "../errors.ts";
import { estimateOf, type Estimate } from "../money/estimate.ts";
import type { Range } from "../money/units.ts";
import type { Key } from "../net/auth/key.ts";
import type { StreamBody } from "../net/body.ts";
import { partsOf } from "../net/parts.ts";
import type { OutgoingRequest } from "../net/send.ts";
import type { Core, Events } from "../plugin/compose.ts";
import type { Change, UnifiedRequest } from "../plugin/context.ts";
import { pretendContext } from "./pretend.ts";

/** A request to a provider, as it can be read: of files only what they are. */
export interface ShownRequest {
  method: string;
  url: string;
  headers: Record<string, string>;
  body?: unknown;
}

/** A request on one channel: what becomes of it. */
export interface RouteExplanation {
  channel: string;
  changes: Change[];
  requests: ShownRequest[];
  /** The request by which the provider would be asked for what it makes, and milliseconds before each of the first times. */
  polls: (ShownRequest & { after: number[] })[];
  /** The cost before the order; null where nobody knows. */
  cost: Estimate | null;
  refused?: Refusal;
}

export type Refusal = Pick<GatewayError, "code" | "message" | "param">;

/** The events that a client that wants a stream would be sent. */
const listening: Events = { accepted: () => undefined, show: () => Promise.resolve() };

/** Explains what becomes of a request on a route; `stream` where its client wants events. Nothing is sent, and secrets are shown as `***`. */
export async function explainRoute(route: Route, input: UnifiedRequest, stream: boolean): Promise<RouteExplanation> {
  const { channel } = route;
  const step: RouteExplanation = { channel: channel.name, changes: [], requests: [], polls: [], cost: null };
  const ranges: (Range | undefined)[] = [];
  const ctx = pretendContext(route, input, (field, change) => void step.changes.push({ field, ...change }));
  // A channel that is off for want of a key would show one; one that is not needs none.
  const key = masked(channel.keys[0] ?? (channel.off === undefined ? undefined : "key"));
  try {
    const rehearsed: Core = async (inner, events) => {
      const { requests, poll } = await route.rehearse(inner, key, events);
      ranges.push(route.pricing.lines?.beforehand(inner.request));
      const asSent = async (request: OutgoingRequest) => readable(await authorized(request, route, key));
      for (const request of requests) step.requests.push(await asSent(request));
      if (poll) step.polls.push({ ...(await asSent(poll.request)), after: poll.after });
    };
    await route.pretend(ctx, rehearsed, stream ? listening : undefined);
    step.cost = estimateOf(ranges);
  } catch (error) {
    const told = error instanceof ProviderFailure ? clientError(error) : error;
    if (!(told instanceof GatewayError)) throw error;
    step.refused = refusalOf(told);
  }
  return step;
}

export function refusalOf({ message, param, code }: GatewayError): Refusal {
  return { code, message, param };
}

function masked(key: Key | undefined): Key | undefined {
  return typeof key === "object" ? Object.fromEntries(Object.keys(key).map((part) => [part, "***"])) : key && "***";
}

/** A signature or a fetched token over a masked key would say nothing: it is shown as `***` too. */
async function authorized(request: OutgoingRequest, { channel }: Route, key: Key | undefined): Promise<OutgoingRequest> {
  // As when it is sent: an upload to a store elsewhere goes without it.
  if (key === undefined || !channel.mayCarryKey(new URL(request.url))) return request;
  const { auth } = channel;
  const plain = typeof auth === "string" || "header" in auth || "query" in auth || "body" in auth;
  if (plain) return channel.authorize(request, key, new AbortController().signal);
  return { ...request, headers: { ...request.headers, authorization: "***" } };
}

async function readable({ method, url, headers, body }: OutgoingRequest): Promise<ShownRequest> {
  return {
    method,
    url: url.replaceAll("%2A%2A%2A", "***"),
    headers,
    ...(body ? { body: await said(body, headers["content-type"]) } : {}),
  };
}

/** A body as it can be read: of files only what they are. */
async function said(body: Buffer | StreamBody, type = ""): Promise<unknown> {
  if (!Buffer.isBuffer(body) && body.value !== undefined) return body.value;
  const bytes = Buffer.isBuffer(body) ? body : await buffer(body.chunks());
  if (type.includes("json")) return JSON.parse(bytes.toString("utf8"));
  if (!type.startsWith("multipart/")) return bytes.toString("utf8");
  return (await partsOf(bytes, type)).map(({ name, fileName, type, content }) => ({
    name,
    ...(fileName === undefined ? { value: content.toString("utf8") } : { file: fileName, type, bytes: content.length }),
  }));
}
