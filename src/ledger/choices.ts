// The choices of clients for their later requests, such as a model, where their API keeps such a thing.
import type { Database } from "./database.ts";

/** All of it rejects with `Unavailable` while the database cannot be reached. */
export interface Choices {
  /** The choices of a client at a door, by name. */
  of(client: string, door: string): Promise<Record<string, unknown>>;
  /** Keep choices in place of those of the same names. */
  keep(client: string, door: string, chosen: Readonly<Record<string, unknown>>): Promise<void>;
}

export function createChoices(database: Pick<Database, "run">): Choices {
  return {
    of: async (client, door) => {
      const rows = await database.run([
        { sql: "select name, value from choices where client = ?1 and door = ?2", parameters: [client, door] },
      ]);
      return Object.fromEntries(rows.map(({ name, value }) => [String(name), JSON.parse(String(value)) as unknown]));
    },
    keep: async (client, door, chosen) => {
      await database.run(
        Object.entries(chosen).map(([name, value]) => ({
          sql: `insert into choices (client, door, name, value) values (?1, ?2, ?3, ?4)
            on conflict (client, door, name) do update set value = excluded.value`,
          parameters: [client, door, name, JSON.stringify(value)],
        })),
      );
    },
  };
}
