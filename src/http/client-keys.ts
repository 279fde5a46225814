// Finds out whose key a request carries.
import { hash as digest, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { unlimitedClient, type Client } from "../gateway/client.ts";

/** A client with the SHA-256 of the key that proves who they are. */
export interface KeyedClient {
  hash: Buffer;
  client: Client;
}

/** The keys of the gateway's own clients. Only their hashes are kept. */
export interface ClientKeys {
  /** The key's owner, expired or not, or undefined for a key that is not ours. Takes the same time for every key. */
  find(key: string): Client | undefined;
  /**
   * The owner of a key that `find` does not know: one that was added a moment ago, in another process. Rejects with a 503 where it may be one
   * and the ledger is away.
   */
  seek?(key: string): Promise<Client | undefined>;
  /** The client of this id; undefined where it has no key any more. */
  byId(id: string): Client | undefined;
  /** The clients that have budgets. */
  budgeted(): readonly Client[];
}

export const hashOf = (key: string) => digest("sha256", key, "buffer");

/**
 * The key that a request carries: in `authorization`, as a bearer token or as the password of Basic, or where that header is not there in
 * `api-key` or `x-api-key`. Undefined where it carries none.
 */
export function keyIn({ authorization, ...headers }: IncomingHttpHeaders): string | undefined {
  if (authorization === undefined)
    return [headers["api-key"], headers["x-api-key"]]
      .flat()
      .find((key) => key?.trim())
      ?.trim();
  return basicKeyIn(authorization) ?? bearerKeyIn(authorization);
}

/** The bearer token. Some clients put the scheme before a key that has it already. */
export function bearerKeyIn(authorization: string): string | undefined {
  return /^(?:bearer +)+(\S+) *$/i.exec(authorization)?.[1];
}

/** The password of Basic. */
export function basicKeyIn(authorization: string): string | undefined {
  const [, basic] = /^basic +([a-z0-9+/]+=*) *$/i.exec(authorization) ?? [];
  if (basic === undefined) return undefined;
  const [user = "", ...password] = Buffer.from(basic, "base64").toString().split(":");
  // With `curl -u key:` the key is the user.
  return password.join(":") || user || undefined;
}

/** The id of a client whose key stands alone. It does not depend on the key's place among others, as the client's name does. */
export const idOfLoneKey = (key: string) => `key:${hashOf(key).toString("hex", 0, 8)}`;

/** Keys that stand alone belong to clients who may do everything. */
export function createClientKeys(keys: readonly string[], clients: readonly KeyedClient[] = []): ClientKeys {
  const alone = keys.map((key, index) => ({ client: unlimitedClient(idOfLoneKey(key), `key-${index + 1}`), hash: hashOf(key) }));
  const known = [...clients, ...alone];
  return {
    find: (key) => {
      const hash = hashOf(key);
      return known.filter((candidate) => timingSafeEqual(candidate.hash, hash))[0]?.client;
    },
    budgeted: () => withBudgets(known.map(({ client }) => client)),
    byId: (id) => known.find(({ client }) => client.id === id)?.client,
  };
}

/** The clients that have budgets. */
export function withBudgets(clients: readonly Client[]): Client[] {
  return clients.filter(({ budgets }) => budgets !== undefined);
}
