// Decides where a request goes after an attempt that failed, so that nothing is ordered twice.
import type { Progress } from "../channels/route.ts";
import { GatewayError, mayBeMade, ProviderFailure } from "../errors.ts";

/** The next step after an attempt that failed: ask the same key of the channel again, another key of it, another channel, or stop. */
export type Next = "same" | "next_key" | "next_channel" | "stop";

/** How far an attempt came. */
type Reached = Pick<Progress, "submitted" | "accepted" | "shown">;

const afterRule = { retry: "same", next_key: "next_key", next_channel: "next_channel", fail: "stop" } as const;

/**
 * The rule of money: the request goes on only where it is certain that nothing was made, since a picture that may have been made may have
 * to be paid for. With `unsafe` the operator accepts to pay for a second one.
 */
export function afterFailure(error: unknown, { submitted, accepted, shown }: Reached, unsafe: boolean): Next {
  // Another channel may be able to send a value, such as a size, that this one cannot.
  if (error instanceof GatewayError) return !submitted && error.status < 500 ? "next_channel" : "stop";
  if (!(error instanceof ProviderFailure)) return "stop";
  const { kind, details } = error;
  if (shown) return "stop";
  // A refused request is not to be tried on the moderation of another provider.
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
export function mayCost(error: unknown, { submitted, accepted, shown }: Reached): boolean {
  if (!submitted) return false;
  return accepted || shown === true || mayBeMade(error);
}
