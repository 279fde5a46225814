// The ledger's view of a database: statements in one transaction, durable once their promise resolves.

/** SQL that both databases know, with `?1`, `?2` … for its parameters. Times and money are whole numbers. */
export interface Statement {
  sql: string;
  parameters?: readonly Value[];
}

export type Value = string | number | null;

/** A row of an answer. Whole numbers are JavaScript numbers; an absent value is null. */
export type Row = Record<string, Value>;

export interface Database {
  /** `postgres` locks rows where `sqlite` has one writer at a time. */
  kind: "sqlite" | "postgres";
  /**
   * Run statements in one transaction. Resolves with the rows of the last one when all of it is durable. Rejects with `Unavailable` where the
   * database cannot be reached or written; then nothing of it is in force, or, where a connection broke during the commit, all of it may be.
   */
  run(statements: readonly Statement[]): Promise<Row[]>;
  close(): Promise<void>;
}

/** The database cannot be reached, or its disk is full. It may be back later. */
export class Unavailable extends Error {
  constructor(cause: unknown) {
    super(`the ledger cannot be reached: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = "Unavailable";
  }
}
