// Reads what OpenAI's clients say of their own patience: how long they wait for an answer, and that they ask once more.
import type { IncomingHttpHeaders } from "node:http";

/** True where the client says that it repeats the request, because it had no answer or an error. */
export function isRetry(headers: IncomingHttpHeaders): boolean {
  return Number(headers["x-stainless-retry-count"]) > 0;
}

/** Time before the end of a client's patience at which it is answered, in milliseconds: the answer needs to arrive. */
export const onTheWay = 5000;

/**
 * Milliseconds within which a request has to be answered: `usual`, or a little less than the client's own time limit where that is shorter,
 * since a client that gives up sends the request again. Without `usual` there is no limit.
 */
export function patienceOf(headers: IncomingHttpHeaders, usual: number | undefined): number | undefined {
  // JavaScript's client names its limit for the whole answer, Python's for each wait; both in seconds.
  const told = Number(headers["x-stainless-timeout"] ?? headers["x-stainless-read-timeout"]) * 1000;
  return usual !== undefined && told > 0 ? Math.min(usual, told - Math.min(onTheWay, told / 4)) : usual;
}
