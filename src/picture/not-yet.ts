// Tells pictures that may come yet from those that will not.
import type { ProviderFailure } from "../errors.ts";

/** Statuses for a picture that is not everywhere yet; an empty one comes with 200. */
const statuses = new Set([200, 202, 204, 403, 404, 409, 425]);

/** True for a failure after which the URL may have the picture a while later. */
export function isNotYet({ details: { status } }: ProviderFailure): boolean {
  return status !== undefined && statuses.has(status);
}
