// Reads which webhook a job names, and judges whether its client may.
import type { Context } from "koa";
import { GatewayError } from "../errors.ts";
import type { Client } from "../gateway/client.ts";
import { isUrl, type Webhook } from "../gateway/delivery.ts";
import { isPlainlyPrivate } from "../net/public-address.ts";
import type { ReadRequest } from "./request.ts";

/** Characters of a URL that a client names as its webhook: it stands in the ledger. */
export const longestUrl = 2048;

/** The webhook that a request names in its body or in the header `pictor-webhook`; undefined for none. Throws a 400 for one that is no text. */
export function webhookIn({ req }: Pick<Context, "req">, { webhook }: Pick<ReadRequest, "webhook">): string | undefined {
  const given = webhook ?? req.headers["pictor-webhook"];
  if (given === undefined || given === "") return undefined;
  if (typeof given !== "string")
    throw new GatewayError("invalid_type", "webhook must be the name of a webhook, or a URL", { param: "webhook" });
  return given.trim();
}

/** Throws a 400 where a job of this client may not name a webhook. What there is besides is nobody's business. */
export function judgeWebhook(webhook: string, client: Client | undefined, webhooks: ReadonlyMap<string, Webhook>): void {
  const wrong = isUrl(webhook) ? urlProblem(webhook, client) : nameProblem(webhook, client, webhooks);
  if (wrong !== undefined) throw new GatewayError("invalid_value", `webhook ${wrong}`, { param: "webhook" });
}

function nameProblem(name: string, client: Client | undefined, webhooks: ReadonlyMap<string, Webhook>): string | undefined {
  if (client?.mayName?.(name) && webhooks.has(name)) return undefined;
  return "is not the name of one that this key may use; the operator says which those are";
}

function urlProblem(text: string, client: Client | undefined): string | undefined {
  if (!client?.webhookSecrets) return "is a URL, which this key may not name; use the name of a webhook that the operator has set up";
  if (text.length > longestUrl || !URL.canParse(text)) return `must be a URL of at most ${longestUrl} characters`;
  const url = new URL(text);
  if (url.username !== "" || url.password !== "" || url.hash !== "") return "must be a URL without a user, a password and a fragment";
  return isPlainlyPrivate(url) ? "must be at a public address" : undefined;
}
