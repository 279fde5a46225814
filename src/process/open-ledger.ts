// Opens the ledger that the operator's settings name.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import type { Database } from "../ledger/database.ts";
import { createLedger, type Ledger } from "../ledger/ledger.ts";
import { openSqlite } from "../ledger/sqlite.ts";

/** Open the shared database, or else the file of this machine's. Rejects where it cannot be reached, or is a newer version's. */
export async function openLedger({ data, database }: { data: string; database: string | undefined }, log: Logger): Promise<Ledger> {
  await mkdir(data, { recursive: true, mode: 0o700 });
  return createLedger({
    database: await (database === undefined ? openSqlite(join(data, "ledger.db")) : openShared(database)),
    folder: data,
    changed: (isAway, error) => {
      if (isAway) log.error({ err: error }, "the ledger cannot be reached; what needs it is refused, and the rest is written later");
      else log.info("the ledger is back");
    },
  });
}

/** The client of the shared database takes a tenth of a second to load, and most have none. */
async function openShared(url: string): Promise<Database> {
  const { openPostgres } = await import("../ledger/postgres.ts");
  return openPostgres(url);
}
