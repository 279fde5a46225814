// Keeps clients' choices without a ledger.
import type { Choices } from "../ledger/choices.ts";

/** Choices that are kept as long as the process lives. */
export function createChoices(): Choices {
  const kept = new Map<string, Record<string, unknown>>();
  const at = (client: string, door: string) => JSON.stringify([client, door]);
  return {
    of: (client, door) => Promise.resolve({ ...kept.get(at(client, door)) }),
    keep: (client, door, chosen) => {
      kept.set(at(client, door), { ...kept.get(at(client, door)), ...chosen });
      return Promise.resolve();
    },
  };
}
