// The shared database: PostgreSQL, for several instances.
import pg from "pg";
import { Unavailable, type Database, type Row, type Statement } from "./database.ts";
import { migrations } from "./migrations.ts";

/** Time that a connection to the ledger's database may take, in milliseconds: a client is waiting, and is refused where there is none. */
export const longestConnect = 5_000;

/** Time that a statement of the ledger may take, in milliseconds: each touches a few rows, and a slower one means a database that hangs. */
export const longestStatement = 10_000;

/**
 * Time that a transaction of the ledger may stand idle, in milliseconds: a process that stands still within one holds rows that others wait for, no
 * longer than a statement of theirs may take.
 */
export const longestIdle = 5_000;

/** Connections of one process to the ledger's database: a request holds one for a statement or two. */
export const mostConnections = 10;

/** The number of the advisory lock under which one instance migrates at a time. Any number will do; it must never change. */
const migrationLock = 7_064_268;

// Whole numbers of 64 bits are texts otherwise; those of the ledger are times and money, below 2^53.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

/** Connect to a database by URL (`postgres://…`) and bring its tables up to date. Rejects with `Unavailable` where it cannot be reached. */
export async function openPostgres(url: string): Promise<Database> {
  const pool = new pg.Pool({
    connectionString: url,
    max: mostConnections,
    connectionTimeoutMillis: longestConnect,
    statement_timeout: longestStatement,
    idle_in_transaction_session_timeout: longestIdle,
    query_timeout: longestStatement + 1000,
    keepAlive: true,
    application_name: "pictor",
  });
  // A connection that breaks while nobody uses it is dropped by the pool; without a listener it would end the process.
  pool.on("error", () => undefined);
  // So would one that breaks between the pool's hands and ours; the statement on it fails by itself.
  pool.on("connect", (client) => client.on("error", () => undefined));
  try {
    await inTransaction(pool, migrate);
  } catch (error) {
    await pool.end();
    throw error;
  }
  return {
    kind: "postgres",
    run: (statements) => runIn(pool, statements),
    close: () => pool.end(),
  };
}

async function runIn(pool: pg.Pool, statements: readonly Statement[]): Promise<Row[]> {
  const [only, ...others] = statements;
  if (!only) return [];
  if (others.length === 0) return query(pool, only);
  return inTransaction(pool, async (client) => {
    let rows: Row[] = [];
    for (const statement of statements) rows = await query(client, statement);
    return rows;
  });
}

async function query(client: pg.Pool | pg.PoolClient, { sql, parameters = [] }: Statement): Promise<Row[]> {
  try {
    const { rows } = await client.query<Row>(numbered(sql), [...parameters]);
    return rows;
  } catch (error) {
    throw isUnavailable(error) ? new Unavailable(error) : error;
  }
}

const texts = new Map<string, string>();

/** `?1` as this database writes it: `$1`. */
function numbered(sql: string): string {
  let text = texts.get(sql);
  if (text === undefined) texts.set(sql, (text = sql.replaceAll(/\?(\d+)/g, "$$$1")));
  return text;
}

async function inTransaction<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect().catch((error: unknown) => {
    throw new Unavailable(error);
  });
  let broken: Error | undefined;
  const noteBroken = (error: Error) => (broken = error);
  client.on("error", noteBroken);
  try {
    await query(client, { sql: "begin" });
    const result = await work(client);
    await query(client, { sql: "commit" });
    return result;
  } catch (error) {
    await client.query("rollback").catch(noteBroken);
    throw error;
  } finally {
    client.off("error", noteBroken);
    client.release(broken);
  }
}

async function migrate(client: pg.PoolClient): Promise<void> {
  await client.query("select pg_advisory_xact_lock($1)", [migrationLock]);
  await client.query("create table if not exists ledger_version (step bigint not null)");
  const { rows } = await client.query<{ step: number }>("select coalesce(max(step), 0) as step from ledger_version");
  const step = rows[0]?.step ?? 0;
  if (step > migrations.length)
    throw new Error(`the database was written by a newer version of this gateway (step ${step}, this one knows ${migrations.length})`);
  for (const sql of migrations.slice(step).flat()) await client.query(sql);
  if (step < migrations.length) await client.query("insert into ledger_version (step) values ($1)", [migrations.length]);
}

/** True where the server or the way to it is to blame, and not the statement. Classes of SQLSTATE: 08 connection, 53 resources, 57 operator. */
function isUnavailable(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  if (typeof code !== "string") return true;
  return /^(08|53|57|58|25006|40)/.test(code) || /^E[A-Z]+$/.test(code);
}
