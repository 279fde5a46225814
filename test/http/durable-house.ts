// A gateway with a ledger of its own.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import type { Client } from "../../src/gateway/client.ts";
import type { Webhook } from "../../src/gateway/delivery.ts";
import { createRouting } from "../../src/gateway/routing.ts";
import { createClientKeys, withBudgets, type ClientKeys } from "../../src/http/client-keys.ts";
import type { LedgerLives } from "../../src/http/durable.ts";
import { createDurableService } from "../../src/http/durable-service.ts";
import type { Gateway } from "../../src/http/gateway.ts";
import { createMetrics } from "../../src/http/metrics.ts";
import { Unavailable, type Database } from "../../src/ledger/database.ts";
import { createLedger, type Ledger } from "../../src/ledger/ledger.ts";
import { openSqlite } from "../../src/ledger/sqlite.ts";
import { createPictureFetcher } from "../../src/net/fetch-picture.ts";
import { createSpool } from "../../src/picture/spool.ts";
import { openFolderStore } from "../../src/picture/folder-store.ts";
import { passOn } from "../../src/trace.ts";
import { startHouse, type Handler, type House } from "./setup.ts";

export interface DurableHouse extends House {
  ledger: Ledger;
  /** Where the ledger and the pictures are. */
  folder: string;
  /** How the provider answers; may be changed at any time. */
  handler: Handler;
  /** How long things are kept. */
  lives: LedgerLives;
  /** Rights of clients, by their keys, that differ from those of a key that stands alone. */
  clients: Map<string, Partial<Client>>;
  /** Jobs that are served at once. */
  atOnce: number;
  /** The webhooks that jobs may name. */
  webhooks: Map<string, Webhook>;
  /** `isAway` makes the ledger's database one that cannot be reached; with `writes` all is written, and only the answers are lost; with `only`
   * that holds for these statements. */
  outage: { isAway: boolean; writes?: boolean; only?: RegExp };
  /** Leave to others what can go on there, as a process does that is told to end. */
  handOver(): void;
  /** How many calls the provider got since the last `reset`. */
  orders(): number;
}

function asSet(client: Client | undefined, rights: Partial<Client> = {}): Client | undefined {
  return client && { ...client, ...rights };
}

/** Start one. Its clients' keys are `sk-test` and `sk-other`; `files` and `parts` are as `startHouse` takes them. */
export async function startDurableHouse(files?: Record<string, string>, parts: Partial<Gateway> = {}): Promise<DurableHouse> {
  const folder = await mkdtemp(join(tmpdir(), "pictor-durable-"));
  const store = await openFolderStore({ folder, life: 3600 });
  const database = await openSqlite(join(folder, "ledger.db"));
  const outage: DurableHouse["outage"] = { isAway: false };
  const run: Database["run"] = async (statements) => {
    const { writes, only = /^/ } = outage;
    const isAway = outage.isAway && statements.some(({ sql }) => only.test(sql));
    const rows = isAway && !writes ? [] : await database.run(statements);
    if (isAway) throw new Unavailable("unplugged");
    return rows;
  };
  const ledger = createLedger({ database: { ...database, run }, folder });
  const spool = createSpool({ folder: join(folder, "tmp") });
  const [routing, metrics, log] = [createRouting(), createMetrics(), pino({ level: "silent" })];
  const clients: DurableHouse["clients"] = new Map();
  const known = createClientKeys(["sk-test", "sk-other"]);
  const find: ClientKeys["find"] = (key) => asSet(known.find(key), clients.get(key));
  const all = () => ["sk-test", "sk-other"].flatMap((key) => find(key) ?? []);
  const keys: ClientKeys = {
    find,
    byId: (id) => all().find((client) => client.id === id),
    budgeted: () => withBudgets(all()),
  };
  const fetchPicture = createPictureFetcher();
  const { traces = passOn() } = parts;
  const durable = createDurableService({
    ...{ ledger, store, spool, routing, metrics, log, keys, fetchPicture, traces },
    table: () => own.gateway.table(),
    enter: () => () => undefined,
    lives: () => own.lives,
    webhooks: () => own.webhooks,
    atOnce: () => own.atOnce,
  });
  const house = await startHouse(
    (call, response, request) => own.handler(call, response, request),
    { store, spool, routing, keys, durable, metrics, adminKey: "sk-operator", ...parts },
    files,
  );
  const own: DurableHouse = {
    ...house,
    folder,
    handler: () => undefined,
    ledger,
    clients,
    atOnce: 5,
    webhooks: new Map(),
    outage,
    lives: { rows: 3_600_000, answers: 3_600_000 },
    handOver: durable.handOver,
    orders: () => house.provider.calls.length,
    close: async () => {
      await durable.close();
      await house.close();
      await ledger.close();
      await store.close();
      await rm(folder, { recursive: true });
    },
  };
  return own;
}
