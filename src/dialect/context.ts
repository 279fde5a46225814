// Describes the state that the calls of one submission share, and the variables that templates get from it.
import type { Variables } from "../expression/cel.ts";
import type { Authorizer, Key } from "../net/auth/authorizer.ts";
import type { Patience } from "../net/send.ts";
import type { Events } from "../plugin/compose.ts";
import type { PluginContext, UnifiedRequest } from "../plugin/context.ts";
import { readSize } from "../size/parse.ts";
import { withoutQuery } from "./address.ts";
import type { OrderLog } from "./orders.ts";

/** State shared by the calls of one submission. */
export interface CallContext {
  ctx: Pick<PluginContext, "request" | "model" | "change" | "spool" | "signal" | "log"> & Partial<Pick<PluginContext, "early" | "trace">>;
  baseUrl: string;
  variables: Record<string, unknown>;
  /** The secrets among the variables. */
  secrets?: readonly string[];
  key: Key | undefined;
  authorize: Authorizer | undefined;
  /** Secrets that the authorizer has derived from the key so far, such as tokens. */
  made?: Set<string>;
  /** True for a URL to which the key may be sent. */
  mayCarryKey: (url: URL) => boolean;
  /** True for a URL that may lead to a private address. */
  trusted: (url: URL) => boolean;
  /** Milliseconds to reach the provider, and until an answer begins. */
  patience?: Patience;
  /** Waits between polls; rejects when the signal aborts. */
  wait: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** In tests: the URL to which a call is sent instead, so that no provider is reached. */
  divert?: (url: URL) => string | undefined;
  /** Receives the events of the submission, for a client that wants them. */
  events?: Events;
  /** The log of the order, if the order has to outlive this process. */
  orders?: OrderLog;
}

/** The variables of templates. All calls see the request as the plugins left it. */
export function variablesOf({ ctx, variables, baseUrl, key }: CallContext): Variables {
  const { request, model } = ctx;
  return { request, size: sizeIn(request), model, variables, base_url: withoutQuery(baseUrl), key };
}

function sizeIn({ size }: UnifiedRequest): object {
  return size === undefined ? {} : (readSize(size) ?? { text: size });
}
