import { hash as digest, timingSafeEqual } from "node:crypto";
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
}

export const hashOf = (key: string) => digest("sha256", key, "buffer");

/** The key of an `authorization` header; undefined where it holds none. */
export function bearerOf(header: string): string | undefined {
  return /^bearer +(\S+) *$/i.exec(header)?.[1];
}

/** Keys that stand alone belong to clients who may do everything. */
export function createClientKeys(keys: readonly string[], clients: readonly KeyedClient[] = []): ClientKeys {
  const known = [...clients, ...keys.map((key, index) => ({ client: unlimitedClient(`key-${index + 1}`), hash: hashOf(key) }))];
  return {
    find: (key) => {
      const hash = hashOf(key);
      return known.filter((candidate) => timingSafeEqual(candidate.hash, hash))[0]?.client;
    },
  };
}
