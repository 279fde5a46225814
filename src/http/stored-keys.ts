// Knows the clients' keys of the ledger, which every process keeps in memory and looks after.
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { GatewayError } from "../errors.ts";
import type { Client } from "../gateway/client.ts";
import { createRounds } from "../gateway/rounds.ts";
import type { StoredKey, StoredKeys as Rows } from "../ledger/client-keys.ts";
import { hashOf, withBudgets, type ClientKeys } from "./client-keys.ts";

/** Time between two looks for keys that were changed, in milliseconds: what is revoked in one process is refused in all within a second. */
export const lookAfter = 500;

/** Time between two looks that unknown keys ask for, in milliseconds: whoever guesses keys must not keep the database busy. */
export const shortestPause = 100;

/** A key as this process knows it. */
export interface KnownKey {
  row: StoredKey;
  /** The client; absent where the key is revoked, or where what it is given is not understood. */
  client?: Client;
}

/** The keys of the ledger, as they were at the last look. */
export interface StoredKeys extends ClientKeys {
  seek: NonNullable<ClientKeys["seek"]>;
  /** The keys that are known, revoked ones too, by their names. */
  known: ReadonlyMap<string, KnownKey>;
  /** Take note of a row that this process wrote. */
  note(row: StoredKey): void;
  /** Look for what was changed, now. Rejects with `Unavailable`. */
  look(): Promise<void>;
  close(): Promise<void>;
}

interface Parts {
  rows: Pick<Rows, "since">;
  /** The client of a key; throws where what the key is given is not understood. */
  clientOf: (row: StoredKey) => Client;
  log: Logger;
}

/** True for a text of the form of a key of the ledger: 32 bytes in base64url behind `pk-`. */
export const isStoredKey = (key: string) => /^pk-[\w-]{43}$/.test(key);

/** Read the keys, and look again and again for changes. Rejects where they cannot be read at first. */
export async function openStoredKeys({ rows, clientOf, log }: Parts): Promise<StoredKeys> {
  const known = new Map<string, KnownKey>();
  const clients = new Map<string, Client>();
  let version = 0;
  let failure: { error: unknown } | undefined;

  function note(row: StoredKey): void {
    const before = known.get(row.name)?.row;
    // A look that began before this process wrote the row may end after it.
    if (before && before.version > row.version) return;
    for (const hash of [before?.hash, before?.previousHash]) if (hash !== undefined) clients.delete(hash);
    const client = row.revokedAt === undefined ? understood(row) : undefined;
    known.set(row.name, { row, client });
    if (!client) return;
    clients.set(row.hash, client);
    const { previousHash, previousUntil = 0 } = row;
    if (previousHash !== undefined) clients.set(previousHash, { ...client, expires: Math.min(previousUntil, client.expires ?? Infinity) });
  }

  function understood(row: StoredKey): Client | undefined {
    try {
      return clientOf(row);
    } catch (error) {
      log.error({ key: row.name, err: error }, "a key of the ledger is refused: what it is given is not understood");
      return undefined;
    }
  }

  async function read(): Promise<void> {
    try {
      for (const row of await rows.since(version)) {
        note(row);
        version = row.version;
      }
      failure = undefined;
    } catch (error) {
      failure = { error };
      throw error;
    }
  }

  let reading = read();
  await reading;
  let next: Promise<void> | undefined;
  /** A look that begins after this call, shared by all who ask for one meanwhile. */
  const look = () =>
    (next ??= (async () => {
      await reading.catch(() => undefined);
      // It keeps the process: one that is being closed waits for a look before it closes the ledger.
      await delay(shortestPause);
      next = undefined;
      await (reading = read());
    })());

  const rounds = createRounds(log);
  rounds.begin(lookAfter - shortestPause, look);
  const find = (key: string) => (isStoredKey(key) ? clients.get(hashOf(key).toString("hex")) : undefined);
  const unknown = (cause: unknown) =>
    new GatewayError("ledger_unavailable", "the gateway cannot look this API key up at the moment; send the request again", {
      retryAfter: 5,
      cause,
    });
  return {
    known,
    find,
    byId: (id) => known.get(id)?.client,
    budgeted: () => withBudgets([...known.values()].flatMap(({ client }) => client ?? [])),
    note,
    look,
    seek: async (key) => {
      if (!isStoredKey(key)) return undefined;
      // While the ledger is away each look takes seconds to say so.
      if (failure) throw unknown(failure.error);
      await look().catch((error: unknown) => {
        throw unknown(error);
      });
      return find(key);
    },
    close: rounds.close,
  };
}
