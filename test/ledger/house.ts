// Ledgers for one test: all on the same database, with a clock that the test sets.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Database } from "../../src/ledger/database.ts";
import { createLedger, type Ledger } from "../../src/ledger/ledger.ts";

export interface LedgerHouse {
  /** The time of its ledgers, in epoch milliseconds. */
  now: number;
  folder: string;
  /** One more ledger on the database of this test. */
  ledger: () => Promise<Ledger>;
}

/** A house for each test of the suite that calls this; `open` opens the database of a folder. */
export function ledgerHouse(open: (folder: string) => Promise<Database>): LedgerHouse {
  const opened = new Set<Ledger>();
  const house: LedgerHouse = {
    now: 0,
    folder: "",
    ledger: async () => {
      const one = createLedger({ database: await open(house.folder), folder: house.folder, now: () => house.now });
      opened.add(one);
      return {
        ...one,
        close: () => {
          opened.delete(one);
          return one.close();
        },
      };
    },
  };
  beforeEach(async () => {
    house.folder = await mkdtemp(join(tmpdir(), "pictor-ledger-"));
    house.now = 1_800_000_000_000;
    opened.clear();
  });
  afterEach(async () => {
    for (const one of opened) await one.close();
    await rm(house.folder, { recursive: true });
  });
  return house;
}
