// Attempts to deliver the event of a job to a webhook, and writes how that ended.
import type { Logger } from "pino";
import { secondsOf } from "../dialect/usual.ts";
import type { Attempted, Delivery, EventType } from "../ledger/deliveries.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { RequestRow } from "../ledger/row.ts";
import { sendEvent, type Receipt } from "../net/webhook.ts";

/** A receiver of events. */
export interface Webhook {
  url: string;
  /** The keys that events are signed with: one, or two while one takes the place of the other. */
  secrets: readonly Buffer[];
  /** True where the operator says that it may be at a private address. */
  mayBePrivate: boolean;
  events: readonly EventType[];
}

/** `failed` is attempted again. */
export type DeliveryOutcome = "delivered" | "failed" | "given_up";

export interface DeliveryParts {
  ledger: Pick<Ledger, "find" | "deliveries">;
  log: Logger;
  /** The receiver of a delivery, as the operator's files name it now. */
  webhookOf: (delivery: Delivery) => Webhook | undefined;
  /** The event's text. */
  eventOf: (delivery: Delivery, row: RequestRow) => Promise<string>;
  /** Called after each attempt. */
  attempted?: (delivery: Delivery, outcome: DeliveryOutcome) => void;
  now?: () => number;
  /** From 0 to below 1. */
  random?: () => number;
}

type Failed = Pick<Attempted, "url" | "answer" | "reason">;

/** Time for which nothing is sent to a URL that answered with a 410, in milliseconds: its owner wants no more. */
export const goneFor = 86_400_000;

/** Longest wait that a receiver of events may ask for, in milliseconds: an event is of little use later. */
export const longestAsked = 86_400_000;

/** Seconds before the second attempt and each that follows, up to 31 hours after the first. Each may be a fifth longer. */
export const pauses: readonly number[] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400];

/** Attempt a delivery that was taken. Rejects where the ledger cannot be reached; then the attempt is made again once its lease is over. */
export async function deliver(delivery: Delivery, parts: DeliveryParts, signal: AbortSignal): Promise<void> {
  const { ledger, webhookOf, eventOf, now = Date.now } = parts;
  const webhook = webhookOf(delivery);
  if (webhook && !webhook.events.includes(delivery.type)) return ledger.deliveries.drop(delivery.id);
  const row = await ledger.find(delivery.request);
  if (!row) return giveUp(delivery, { reason: "nothing is kept of the job any more" }, parts);
  if (!webhook) return putOff(delivery, { reason: "there is no such webhook, or its secret is not set" }, parts);
  const { url, secrets, mayBePrivate } = webhook;
  if (await ledger.deliveries.isGone(url, now() - goneFor))
    return giveUp(delivery, { url, reason: "it answered with a 410 within a day" }, parts);
  const event = { url, secrets, id: delivery.id, body: await eventOf(delivery, row), guarded: !mayBePrivate, at: now() };
  return settle(delivery, url, await sendEvent(event, signal), parts);
}

async function settle(delivery: Delivery, url: string, receipt: Receipt, parts: DeliveryParts): Promise<void> {
  if ("reason" in receipt) return putOff(delivery, { url, reason: receipt.reason }, parts);
  const { status: answer, headers } = receipt;
  if (answer >= 200 && answer < 300) {
    parts.log.info({ ...lineOf(delivery), answer }, "an event was delivered");
    return end(delivery, "delivered", { status: "delivered", nextAt: delivery.nextAt, url, answer }, parts);
  }
  const failed = { url, answer, reason: `it answered with status ${answer}` };
  if (answer === 410) return giveUp(delivery, failed, parts);
  return putOff(delivery, failed, parts, secondsOf(headers["retry-after"]));
}

/** Attempt it later, if an attempt is left. `asked` is how many seconds the receiver wants to have. */
async function putOff(delivery: Delivery, failed: Failed, parts: DeliveryParts, asked = 0): Promise<void> {
  const { log, now = Date.now, random = Math.random } = parts;
  const pause = pauses[delivery.attempts - 1];
  if (pause === undefined) return giveUp(delivery, failed, parts);
  const nextAt = now() + Math.max(Math.min(asked * 1000, longestAsked), Math.round(pause * 1000 * (1 + random() / 5)));
  const { answer, reason } = failed;
  log.warn({ ...lineOf(delivery), answer, reason, next: new Date(nextAt).toISOString() }, "an event was not delivered, and is sent again");
  return end(delivery, "failed", { ...failed, status: "waiting", nextAt }, parts);
}

async function giveUp(delivery: Delivery, failed: Failed, parts: DeliveryParts): Promise<void> {
  const { answer, reason } = failed;
  parts.log.error(
    { ...lineOf(delivery), answer, reason },
    answer === 410
      ? "a webhook wants no more events; nothing is sent to it for a day, or until one is redelivered"
      : "an event was not delivered, and is not sent again",
  );
  return end(delivery, "given_up", { ...failed, status: "failed", nextAt: delivery.nextAt }, parts);
}

async function end(delivery: Delivery, outcome: DeliveryOutcome, attempted: Attempted, parts: DeliveryParts): Promise<void> {
  parts.attempted?.(delivery, outcome);
  await parts.ledger.deliveries.settle(delivery, attempted);
}

function lineOf({ id, request, client, webhook, type, attempts }: Delivery): object {
  return { event: id, request, client, webhook: shownWebhook(webhook), type, attempts };
}

/** True for a webhook that a client named by its URL. */
export function isUrl(webhook: string): boolean {
  return /^https?:\/\//i.test(webhook);
}

/** A webhook for people to read: of a URL the path and the query may be secret. */
export function shownWebhook(webhook: string): string {
  return isUrl(webhook) ? new URL(webhook).origin : webhook;
}
