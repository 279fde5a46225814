// Keeps what clients tell doors between two requests, such as the model that they chose.

/** Values by client and door. */
export interface DoorMemory {
  get(client: string, door: string): Readonly<Record<string, unknown>>;
  keep(client: string, door: string, values: Readonly<Record<string, unknown>>): void;
}

/** Clients whose values are kept, over all doors: memory is bounded, and the one that said something longest ago is forgotten first. */
export const mostKept = 10_000;

/** Keeps values for as long as the process lives. */
export function createDoorMemory(): DoorMemory {
  const kept = new Map<string, Record<string, unknown>>();
  const nameOf = (client: string, door: string) => JSON.stringify([client, door]);
  return {
    get: (client, door) => kept.get(nameOf(client, door)) ?? {},
    keep: (client, door, values) => {
      const name = nameOf(client, door);
      const all = { ...kept.get(name), ...values };
      kept.delete(name);
      kept.set(name, all);
      for (const oldest of kept.keys()) if (kept.size > mostKept) kept.delete(oldest);
    },
  };
}
