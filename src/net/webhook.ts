// Signs an event and sends it to its receiver, as Standard Webhooks 1.0.0 says.
import { createHmac } from "node:crypto";
import { ProviderFailure } from "../errors.ts";
import { notPublicCode } from "./agents.ts";
import { send } from "./send.ts";

/** An event to send. `secrets` holds one secret, or two while a new one replaces the old. */
export interface SignedEvent {
  url: string;
  id: string;
  body: string;
  secrets: readonly Buffer[];
  /** Reach public addresses only. */
  guarded: boolean;
  /** The moment of the attempt, in epoch milliseconds. */
  at: number;
}

/** The answer to an event, or the reason why none came. */
export type Receipt = { status: number; headers: Record<string, string> } | { reason: string };

/** Time that a receiver has to answer an event, in milliseconds: the specification asks for 15 to 30 seconds. */
export const receiptTime = 20_000;

/** The key of a secret: `whsec_` and the base64 of 24 to 64 bytes; undefined for any other text. */
export function secretKey(text: string): Buffer | undefined {
  const [, base64] = /^whsec_((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/.exec(text) ?? [];
  const key = Buffer.from(base64 ?? "", "base64");
  return key.length >= 24 && key.length <= 64 ? key : undefined;
}

/** The headers of an event. `timestamp` is in Unix seconds. */
export function webhookHeaders({ id, body, secrets }: Pick<SignedEvent, "id" | "body" | "secrets">, timestamp: number) {
  const signatures = secrets.map((key) => `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64")}`);
  return { "webhook-id": id, "webhook-timestamp": String(timestamp), "webhook-signature": signatures.join(" ") };
}

/**
 * Sends an event, and waits up to `patience` milliseconds for the answer. Only the head of the answer is read, and no redirect is followed.
 * Rejects only with the signal's reason.
 */
export async function sendEvent(
  { url, guarded, at, ...event }: SignedEvent,
  signal: AbortSignal,
  patience = receiptTime,
): Promise<Receipt> {
  const late = AbortSignal.timeout(patience);
  try {
    const { status, headers, body } = await send(
      {
        method: "POST",
        url,
        headers: { "content-type": "application/json", ...webhookHeaders(event, Math.floor(at / 1000)) },
        body: Buffer.from(event.body),
      },
      AbortSignal.any([signal, late]),
      { guarded },
    );
    body.destroy();
    return { status, headers };
  } catch (error) {
    signal.throwIfAborted();
    return { reason: reasonOf(error, late) };
  }
}

/** The reason for the operator. It repeats nothing that the receiver said. */
function reasonOf(error: unknown, late: AbortSignal): string {
  if (late.aborted) return "it did not answer in time";
  const { kind, details } = error instanceof ProviderFailure ? error : new ProviderFailure("failed", "");
  if ((details.cause as { code?: string } | undefined)?.code === notPublicCode) return "its address is not public";
  if (kind === "timeout" || details.notAccepted) return "it could not be reached";
  return "the connection broke before it answered";
}
