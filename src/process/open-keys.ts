// Puts the clients' keys together: those of the operator's files and variables, and those of the ledger.
import type { Logger } from "pino";
import type { Environment } from "../channels/settings.ts";
import type { FixedKey, KeyDesk } from "../http/admin-keys.ts";
import { idOfLoneKey, type ClientKeys } from "../http/client-keys.ts";
import { openStoredKeys } from "../http/stored-keys.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { ProcessSettings } from "./environment.ts";
import type { InForce } from "./in-force.ts";
import { readClient } from "./stored-client.ts";

interface Parts {
  ledger: Pick<Ledger, "keys">;
  log: Logger;
  env: Environment;
  settings: Pick<ProcessSettings, "apiKeys">;
  inForce: () => InForce;
}

/** All keys, and the desk where those of the ledger are changed. A name belongs to `gateway.yaml` where both have it. Rejects where the ledger cannot be read. */
export async function openKeys({ ledger, log, env, settings, inForce }: Parts): Promise<{
  keys: ClientKeys;
  keyDesk: KeyDesk;
  close: () => Promise<void>;
}> {
  const stored = await openStoredKeys({
    rows: ledger.keys,
    // A webhook that a key may name need not be there all the time.
    clientOf: ({ name, options }) => readClient(name, options, env, [(options as { may_webhook?: string[] }).may_webhook ?? []].flat()),
    log,
  });
  const free = <T extends { name: string }>(client: T | undefined) => (client && isInFile(inForce(), client.name) ? undefined : client);
  return {
    keys: {
      find: (key) => inForce().keys.find(key) ?? free(stored.find(key)),
      byId: (id) => inForce().keys.byId(id) ?? stored.byId(id),
      budgeted: () => [...inForce().keys.budgeted(), ...stored.budgeted().flatMap((client) => free(client) ?? [])],
      seek: async (key) => free(await stored.seek(key)),
    },
    keyDesk: {
      stored,
      rows: ledger.keys,
      judge: (name, options) => void readClient(name, options, env, namesOf(inForce())),
      fixed: () => fixedKeys(inForce(), settings),
    },
    close: () => stored.close(),
  };
}

function namesOf({ file: { webhooks, webhooksOff } }: InForce): string[] {
  return [...webhooks.keys(), ...webhooksOff.map(({ name }) => name)];
}

function isInFile({ file }: InForce, name: string): boolean {
  return file.clients.some(({ client }) => client.name === name) || file.off.some((one) => one.name === name);
}

function fixedKeys({ file, ownKey }: InForce, { apiKeys }: Parts["settings"]): FixedKey[] {
  return [
    ...[...file.clients.map(({ client }) => client), ...file.off].map(({ name }) => ({ name, source: "gateway.yaml" as const })),
    ...apiKeys.map((key, index) => ({ name: `key-${index + 1}`, source: "PICTOR_API_KEYS" as const, client: idOfLoneKey(key) })),
    ...(ownKey === undefined ? [] : [{ name: "key-1", source: "own" as const, client: idOfLoneKey(ownKey) }]),
  ];
}
