// Opens the ledger that the operator's settings name.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import { createLedger, type Ledger } from "../ledger/ledger.ts";
import { openPostgres } from "../ledger/postgres.ts";
import { openSqlite } from "../ledger/sqlite.ts";

/** Open the shared database, or else the file of this machine's. Rejects where it cannot be reached, or is a newer version's. */
export async function openLedger({ data, database }: { data: string; database: string | undefined }, log: Logger): Promise<Ledger> {
  await mkdir(data, { recursive: true, mode: 0o700 });
  return createLedger({
    database: await (database === undefined ? openSqlite(join(data, "ledger.db")) : openPostgres(database)),
    folder: data,
    changed: (isAway, error) => {
      if (isAway) log.error({ err: error }, "the ledger cannot be reached; what needs it is refused, and the rest is written later");
      else log.info("the ledger is back");
    },
  });
}
