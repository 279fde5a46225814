// The clients' keys that were added at run time, by their hashes, and what was done with each.
import type { Database, Row, Statement } from "./database.ts";

/** A key of a client. Times are epoch milliseconds. */
export interface StoredKey {
  name: string;
  /** The SHA-256 of the key, in hex, and its beginning, by which a person knows it. */
  hash: string;
  begins: string;
  /** The hash of the key that this one took the place of, which is good until then. */
  previousHash?: string;
  previousUntil?: number;
  /** Its options, as they were written. */
  options: object;
  createdAt: number;
  changedAt: number;
  /** Its name is free from then on; the row stays, so that every process hears of it. */
  revokedAt?: number;
  /** Grows with each change of any key. */
  version: number;
}

/** A change of a key. */
export interface KeyChange {
  action: "added" | "changed" | "rotated" | "revoked";
  at: number;
  /** The way in which the operator did it: the program, and the address that it called from. */
  by: string;
  /** The options of the key from then on. */
  options: object;
}

/** All of it rejects with `Unavailable` while the database cannot be reached. */
export interface StoredKeys {
  /** The keys that were changed after this version, revoked ones too; the oldest change first. */
  since(version: number): Promise<StoredKey[]>;
  /**
   * Write a key in place of its row of the version `before`, 0 where there is none. Resolves with what was written; undefined where another was
   * faster.
   */
  write(key: Omit<StoredKey, "version">, before: number, change: Pick<KeyChange, "action" | "by">): Promise<StoredKey | undefined>;
  /** The changes of the keys of this name, the newest first. */
  changes(name: string, limit: number): Promise<KeyChange[]>;
}

const columns = "name, hash, begins, previous_hash, previous_until, options, created_at, changed_at, revoked_at, version";

const overwrite = columns
  .split(", ")
  .slice(1)
  .map((column) => `${column} = excluded.${column}`)
  .join(", ");

/** The version that this transaction gave out: the row is locked to its end, so that versions are seen in their order. */
const given = "(select version from key_version)";

export function createStoredKeys(database: Pick<Database, "run">): StoredKeys {
  const run = async (...statements: Statement[]) => (await database.run(statements)).map(keyOf);
  return {
    since: (version) => run({ sql: `select ${columns} from client_keys where version > ?1 order by version`, parameters: [version] }),
    write: async (key, before, { action, by }) => {
      const options = JSON.stringify(key.options);
      const { name, hash, begins, previousHash = null, previousUntil = null, createdAt, changedAt, revokedAt = null } = key;
      const written = `from client_keys where name = ?1 and version = ${given}`;
      const [row] = await run(
        { sql: "update key_version set version = version + 1" },
        {
          sql: `insert into client_keys (${columns}) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ${given})
            on conflict (name) do update set ${overwrite} where client_keys.version = ?10`,
          parameters: [name, hash, begins, previousHash, previousUntil, options, createdAt, changedAt, revokedAt, before],
        },
        {
          sql: `insert into key_changes (version, name, action, at, by_whom, options)
            select version, name, cast(?2 as text), changed_at, cast(?3 as text), options ${written}`,
          parameters: [name, action, by],
        },
        { sql: `select ${columns} ${written}`, parameters: [name] },
      );
      return row;
    },
    changes: async (name, limit) => {
      const sql = "select action, at, by_whom, options from key_changes where name = ?1 order by version desc limit ?2";
      const rows = await database.run([{ sql, parameters: [name, limit] }]);
      return rows.map(({ action, at, by_whom, options }) => ({
        action: action as KeyChange["action"],
        at: Number(at),
        by: String(by_whom),
        options: JSON.parse(String(options)) as object,
      }));
    },
  };
}

function keyOf(row: Row): StoredKey {
  const { previous_hash, previous_until, created_at, changed_at, revoked_at, options, ...others } = row;
  const all = {
    ...others,
    options: JSON.parse(String(options)) as object,
    previousHash: previous_hash,
    previousUntil: previous_until,
    createdAt: created_at,
    changedAt: changed_at,
    revokedAt: revoked_at,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null)) as unknown as StoredKey;
}
