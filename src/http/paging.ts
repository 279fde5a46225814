// Reads queries, and which page of a list is wanted.
import type { RouterContext } from "@koa/router";
import { GatewayError } from "../errors.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { RequestRow } from "../ledger/row.ts";

/** Entries of a page of a list where the client names no number: as many as OpenAI's lists have. */
export const usualPage = 20;

/** Entries of a page of a list, at most: as many as OpenAI's lists have. */
export const largestPage = 100;

/** The page that `limit` and `after`, the id of the last one seen, name. Throws a 400; `client` is the one who may know of `after`. */
export async function pageIn(
  { query }: RouterContext,
  ledger: Ledger,
  client?: string,
): Promise<{ limit: number; after: RequestRow | undefined }> {
  const limit = Number(query.limit ?? usualPage);
  if (!Number.isInteger(limit) || limit < 1 || limit > largestPage)
    throw new GatewayError("invalid_value", `limit must be a whole number from 1 to ${largestPage}`, { param: "limit" });
  const after = typeof query.after === "string" ? await ledger.find(query.after, client) : undefined;
  if (query.after !== undefined && !after)
    throw new GatewayError("invalid_value", "after must be the id of one that this key may see", { param: "after" });
  return { limit, after };
}

/** A value of the query, the first of several; undefined where it is empty. */
export function textIn({ query }: RouterContext, name: string): string | undefined {
  return [query[name]].flat()[0] || undefined;
}
