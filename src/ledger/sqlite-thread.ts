// Runs in a worker thread: owns the connection to the embedded database, so that no fsync is felt by requests.
import { createRequire } from "node:module";
import { parentPort, workerData } from "node:worker_threads";
import type * as Sqlite from "@photostructure/sqlite";
import type { Row, Value } from "./database.ts";
import { migrations } from "./migrations.ts";

/** A transaction: each statement is the number of its text, and its parameters. */
export interface Job {
  id: number;
  statements: readonly [text: number, parameters: readonly Value[]][];
}

/** Transactions that came together. Each text is sent once: it would be most of what is copied. */
export interface Batch {
  jobs: readonly Job[];
  /** Texts that are new, which get the next numbers. */
  texts: readonly string[];
}

/** How it ended. `unavailable` where the database is to blame and not the statement. */
export type Ended = { id: number; rows: Row[] } | { id: number; error: string; unavailable: boolean };

const require = createRequire(import.meta.url);

/** The module of Node itself, or, where this Node has none, the package with the same interface. */
function openDatabase(file: string): Sqlite.DatabaseSyncInstance {
  const builtIn = process.getBuiltinModule("node:sqlite" as "node:fs") as unknown as typeof Sqlite | undefined;
  const { DatabaseSync } = builtIn ?? (require("@photostructure/sqlite") as typeof Sqlite);
  const database = new DatabaseSync(file);
  // Several processes share the file: writers wait for one another, readers for nobody. FULL makes each commit survive a power cut.
  database.exec("pragma busy_timeout = 10000; pragma journal_mode = wal; pragma synchronous = full; pragma journal_size_limit = 67108864");
  migrate(database);
  return database;
}

function migrate(database: Sqlite.DatabaseSyncInstance): void {
  database.exec("begin immediate");
  try {
    const { user_version: version } = database.prepare("pragma user_version").get() as { user_version: number };
    if (version > migrations.length)
      throw new Error(`it was written by a newer version of this gateway (step ${version}, this one knows ${migrations.length})`);
    for (const step of migrations.slice(version)) for (const sql of step) database.exec(sql);
    database.exec(`pragma user_version = ${migrations.length}`);
    database.exec("commit");
  } catch (error) {
    database.exec("rollback");
    throw error;
  }
}

/** Run jobs that came together in one transaction, each within a savepoint, so that one commit serves all and a failure spoils only its own. */
function runAll(
  database: Sqlite.DatabaseSyncInstance,
  prepare: (text: number) => Sqlite.StatementSyncInstance,
  jobs: readonly Job[],
): Ended[] {
  const ended: Ended[] = [];
  try {
    database.exec("begin immediate");
    for (const job of jobs) {
      database.exec("savepoint job");
      try {
        let rows: Row[] = [];
        for (const [text, parameters] of job.statements) rows = prepare(text).all(...parameters) as Row[];
        ended.push({ id: job.id, rows });
      } catch (error) {
        if (isUnavailable(error)) throw error;
        database.exec("rollback to job");
        ended.push({ id: job.id, error: messageOf(error), unavailable: false });
      }
      database.exec("release job");
    }
    database.exec("commit");
    return ended;
  } catch (error) {
    try {
      database.exec("rollback");
    } catch {
      // A full disk may have rolled it back already.
    }
    return jobs.map(({ id }) => ({ id, error: messageOf(error), unavailable: true }));
  }
}

/** True where the file is to blame: busy, full, read-only, gone or broken. A constraint or a mistake in a statement is not. */
function isUnavailable(error: unknown): boolean {
  const code = (error as { errcode?: number; code?: string | number }).errcode ?? (error as { code?: string | number }).code;
  const primary = typeof code === "number" ? code & 0xff : undefined;
  const blamed = [5, 6, 7, 8, 10, 11, 13, 14, 26]; // busy, locked, nomem, readonly, ioerr, corrupt, full, cantopen, notadb
  return primary !== undefined
    ? blamed.includes(primary)
    : /database is locked|disk is full|readonly|disk I\/O|unable to open|malformed/i.test(messageOf(error));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function listen(port: NonNullable<typeof parentPort>, file: string): void {
  const database = openDatabase(file);
  // Statements are prepared once; the ledger has a few dozen.
  const texts: string[] = [];
  const prepared: Sqlite.StatementSyncInstance[] = [];
  const prepare = (text: number) => (prepared[text] ??= database.prepare(texts[text] ?? ""));
  port.postMessage("open");
  port.on("message", (message: Batch | "close") => {
    if (message === "close") {
      database.close();
      process.exit();
      return;
    }
    texts.push(...message.texts);
    port.postMessage(runAll(database, prepare, message.jobs));
  });
}

if (parentPort) listen(parentPort, (workerData as { file: string }).file);
