import type { Progress } from "../channels/route.ts";
import { GatewayError, ProviderFailure } from "../errors.ts";

/** Who is asked after an attempt that failed: the same key of the same channel again, another key of it, another channel, or nobody. */
export type Next = "same" | "next_key" | "next_channel" | "stop";

const afterRule = { retry: "same", next_key: "next_key", next_channel: "next_channel", fail: "stop" } as const;

/**
 * The rule of money: another is asked only where it is certain that nothing was made, since a picture that may have been made may have to
 * be paid for. `unsafe` is the operator's word that a second one may be.
 */
export function afterFailure(error: unknown, { submitted, accepted, shown }: Progress, unsafe: boolean): Next {
  // What the channel cannot send, such as a size, another channel may.
  if (error instanceof GatewayError) return !submitted && error.status < 500 ? "next_channel" : "stop";
  if (!(error instanceof ProviderFailure)) return "stop";
  const { kind, details } = error;
  if (shown) return "stop";
  // The moderation of another provider is not to be tried out.
  if (kind === "refused") return "stop";
  if (details.notAccepted && !accepted) return details.then ? afterRule[details.then] : afterProof(kind, details.status);
  return unsafe && kind !== "invalid_request" ? "next_channel" : "stop";
}

/** Nothing was made. Another key may have more luck, except where its channel cannot be reached at all. */
function afterProof(kind: ProviderFailure["kind"], status: number | undefined): Next {
  const isUnreached = status === undefined || status > 520;
  return (kind === "failed" || kind === "timeout") && isUnreached ? "next_channel" : "next_key";
}

/** True where a picture may have been made, and may have to be paid for, in an attempt that failed. */
export function mayCost(error: unknown, { submitted, accepted, shown }: Progress): boolean {
  if (!submitted) return false;
  if (accepted || shown || !(error instanceof ProviderFailure)) return true;
  return !error.details.notAccepted && error.kind !== "invalid_request" && error.kind !== "refused";
}
