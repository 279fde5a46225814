// Lists the pictures of a request that failed, and why.
import { clientError, GatewayError, ProviderFailure, withPicturesOf } from "../errors.ts";
import type { Picture } from "../picture/picture.ts";
import type { ItemError, Result } from "./context.ts";

/** The client's view of one failure beside pictures that worked. */
export function itemError(error: unknown): ItemError {
  const shown = error instanceof ProviderFailure ? clientError(error) : error;
  return shown instanceof GatewayError
    ? { message: shown.message, code: shown.code }
    : { message: "internal error", code: "internal_error" };
}

/**
 * Give every picture its form, all at once. One whose provider's doing keeps it from that is reported beside those that have theirs; when
 * there are none, its failure is the request's. Any other failure always is.
 */
export async function eachPicture(result: Result, form: (picture: Picture) => Picture | Promise<Picture>): Promise<void> {
  const outcomes = await Promise.allSettled(result.pictures.map(async (picture) => form(picture)));
  const failures = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as unknown] : []));
  result.pictures = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  for (const failure of failures) {
    if (result.pictures.length === 0 || !(failure instanceof ProviderFailure)) throw withPicturesOf(failure, failures);
    result.errors.push(itemError(failure));
  }
}
