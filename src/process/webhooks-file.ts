// Reads the webhooks of gateway.yaml, and which of them each client may name.
import { addressProblem } from "../channels/address.ts";
import type { Located, Problems } from "../channels/problems.ts";
import { isWrittenOut, trimmed, type Resolver } from "../channels/settings.ts";
import type { Path } from "../expression/rendering.ts";
import type { Client } from "../gateway/client.ts";
import type { Webhook } from "../gateway/delivery.ts";
import { eventTypes, type EventType } from "../ledger/deliveries.ts";
import { isPlainlyPrivate } from "../net/public-address.ts";
import { secretKey } from "../net/webhook.ts";
import { didYouMean } from "../schema/suggest.ts";
import type { GatewayFile } from "./gateway-file.ts";

/** A webhook as the file has it. */
export interface WrittenWebhook {
  name: string;
  url: string;
  secret: string;
  previous_secret?: string;
  events?: EventType[];
  private_url?: boolean;
}

/** The webhooks where there are none. */
export const noWebhooks: Pick<GatewayFile, "webhooks" | "webhooksOff"> = { webhooks: new Map(), webhooksOff: [] };

/** The webhooks whose secrets are set, by name, and the others with the reason. Mistakes go to `problems`. */
export function webhooksOf(
  written: readonly WrittenWebhook[],
  located: Located,
  resolve: Resolver,
  problems: Problems,
): Pick<GatewayFile, "webhooks" | "webhooksOff"> {
  const webhooks = new Map<string, Webhook>();
  const off: { name: string; reason: string }[] = [];
  const names = new Set<string>();
  for (const [index, { name, private_url: mayBePrivate = false, events = eventTypes, ...one }] of written.entries()) {
    const path: Path = ["webhooks", index];
    if (names.has(name)) problems.add(located, [...path, "name"], `webhooks.name: ${name} stands here a second time; a name is used once`);
    names.add(name);
    const { value, wanted } = resolve(located, [...path, "url"], one.url);
    const { keys, wanted: secretsWanted } = keysOf([one.secret, one.previous_secret], ["secret", "previous_secret"], path, {
      located,
      resolve,
      problems,
    });
    const missing = [...wanted, ...secretsWanted];
    if (missing.length > 0) off.push({ name, reason: `${missing.join(" and ")} is not set` });
    if (typeof value !== "string") continue;
    const url = trimmed(value);
    const wrong = urlProblem(url, mayBePrivate);
    if (wrong !== undefined) problems.add(located, [...path, "url"], `webhooks.url: ${wrong}`);
    else if (keys.length > 0) webhooks.set(name, { url, secrets: keys, mayBePrivate, events });
  }
  return { webhooks, webhooksOff: off };
}

function urlProblem(text: string, mayBePrivate: boolean): string | undefined {
  const wrong = addressProblem(text);
  // A query may hold what the receiver wants to see.
  if (wrong !== undefined && !/^(?:ends in|holds a key)/.test(wrong)) return wrong;
  if (!mayBePrivate && isPlainlyPrivate(new URL(text)))
    return "is a private address; write private_url: true beside it where that is meant";
  return undefined;
}

interface Around {
  located: Located;
  resolve: Resolver;
  problems: Problems;
}

/** The webhooks that a client may name, and the keys that sign events to URLs of its own. */
export function ownWebhooksOf(
  written: { may_webhook?: string[] | "any"; webhook_secret?: string; previous_webhook_secret?: string },
  path: Path,
  located: Located,
  { resolve, problems, webhooks }: Omit<Around, "located"> & { webhooks: readonly string[] },
): Pick<Client, "mayName" | "webhookSecrets"> {
  const { may_webhook: may = [], webhook_secret: secret, previous_webhook_secret: previous } = written;
  const { keys } = keysOf([secret, previous], ["webhook_secret", "previous_webhook_secret"], path, { located, resolve, problems });
  if (may === "any") {
    if (secret === undefined)
      problems.add(located, [...path, "may_webhook"], 'keys.may_webhook "any" needs webhook_secret, which signs events to URLs of its own');
    return { mayName: () => true, ...(keys.length > 0 && { webhookSecrets: keys }) };
  }
  for (const [index, name] of may.entries())
    if (!webhooks.includes(name))
      problems.add(
        located,
        [...path, "may_webhook", index],
        `keys.may_webhook: there is no webhook ${name} (${didYouMean(name, webhooks)})`,
      );
  return { mayName: (name) => may.includes(name) };
}

/** The keys of a secret and of the one before it. Without the first there is none. */
function keysOf(
  written: readonly (string | undefined)[],
  names: readonly string[],
  path: Path,
  { located, resolve, problems }: Around,
): { keys: Buffer[]; wanted: string[] } {
  const keys: Buffer[] = [];
  for (const [index, text] of written.entries()) {
    // One that is written out has been reported.
    if (text === undefined || isWrittenOut(text)) continue;
    const at = [...path, names[index] ?? ""];
    const { value, wanted } = resolve(located, at, text);
    if (typeof value !== "string") {
      if (index === 0) return { keys: [], wanted };
      continue;
    }
    const key = secretKey(trimmed(value));
    if (key) keys.push(key);
    else
      problems.add(
        located,
        at,
        `${String(path[0])}.${names[index]}: must be whsec_ and the base64 of 24 to 64 bytes; this makes one: echo "whsec_$(openssl rand -base64 32)"`,
      );
  }
  return { keys, wanted: [] };
}
