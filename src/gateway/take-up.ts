// Serves a request of the ledger that has no client here: a job, or what a process that has gone left behind.
import type { Logger } from "pino";
import { GatewayError } from "../errors.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { RequestRow } from "../ledger/row.ts";
import { unpriced } from "../money/cost.ts";
import { chunksOf } from "../picture/convert.ts";
import type { Spool, SpoolScope } from "../picture/spool.ts";
import type { PictureStore, StoredData } from "../picture/store.ts";
import type { Client } from "./client.ts";
import type { Durable, DurableLive } from "./durable.ts";
import { billOf } from "./ending.ts";
import type { StandIn } from "./generate.ts";
import { readKeptRequest, type Asked } from "./kept-request.ts";
import type { ModelEntry, Table } from "./table.ts";

interface Parts {
  durable: Durable;
  ledger: Ledger;
  store: PictureStore;
  spool: Spool;
  log: Logger;
  table: () => Table;
  /** Milliseconds for which what was asked and made is kept. */
  answerLife: number;
  /** The client of an id, as far as it is known still. */
  client: (id: string) => Client | undefined;
}

/** Serve a request that is this process's from now on, to its end; or write how it ended, where it cannot be gone on with. */
export async function takeUp(row: RequestRow, parts: Parts): Promise<void> {
  const scope = parts.spool.scope();
  let live: DurableLive | undefined;
  try {
    live = await goOn(row, scope, parts);
  } finally {
    // A request that is served closes it once nobody needs it.
    if (!live) await scope.close();
  }
  await live?.outcome;
}

/** Begin to serve it; resolves with nothing where it is over, or is another's. */
async function goOn(
  row: RequestRow,
  scope: SpoolScope,
  { durable, ledger, store, log, table: tableNow, client, answerLife }: Parts,
): Promise<DurableLive | undefined> {
  const end = async (error: GatewayError, mayCost: boolean): Promise<undefined> => {
    const status = mayCost ? "unknown" : "failed";
    const patch = { status, endedAt: Date.now(), error: error.toJSON(), httpStatus: error.status } as const;
    await ledger.update(
      row.id,
      { ...patch, ...(mayCost ? billOf(unpriced) : { idempotency: undefined }) },
      ["queued", "in_progress"],
      row.owner,
    );
    log.warn({ request: row.id, model: row.model, channel: row.channel, status, reason: error.message }, "a request was left behind");
  };
  if (row.phase === "sending") return end(interrupted("which may have been made and paid for"), true);
  if (row.phase === undefined && !row.job) return end(interrupted("and nothing was ordered; send the request again"), false);

  const known = client(row.client);
  // A task that a provider has accepted is followed all the same: it may have been paid for.
  if (row.phase === undefined && (!known || (known.expires ?? Infinity) <= Date.now()))
    return end(new GatewayError("invalid_api_key", "the client's key was removed or has expired, and nothing was ordered"), false);
  const table = tableNow();
  const entry = table.models.get(row.model);
  const asked = row.input === undefined ? undefined : await readKeptRequest(store, row.input, holdIn(scope));
  const mayCost = row.phase !== undefined;
  if (!entry) return end(new GatewayError("model_not_found", `no channel serves ${row.model} any more`), mayCost);
  if (!asked) return end(new GatewayError("no_longer_kept", "what was asked for is no longer kept"), mayCost);
  if (row.status === "queued") {
    // It may have been cancelled meanwhile, or taken over.
    if (!(await ledger.update(row.id, { status: "in_progress", startedAt: Date.now() }, ["queued"], row.owner))) return undefined;
    row.status = "in_progress";
  }
  const standIns = standInsOf(entry, asked, table, known);
  return durable.serve(row, { ...asked, entry, standIns, table, answerLife, patience: Infinity, client: known, scope });
}

/** Holds an image that is kept far away: an order must not break off in the middle because its store has gone. */
const holdIn = (scope: SpoolScope) => (data: StoredData) =>
  data.kind === "kept" ? scope.take(chunksOf(data), Infinity) : Promise.resolve(data);

/** The models that the operator lets stand in now, as far as it was kept how each takes the request. */
function standInsOf({ fallback }: ModelEntry, { others = [] }: Asked, { models }: Table, client: Client | undefined): StandIn[] {
  return fallback.flatMap((id) => {
    const [entry, other] = [models.get(id), others.find(({ model }) => model === id)];
    return entry && other && client?.allows(id) ? [{ entry, input: () => other }] : [];
  });
}

function interrupted(words: string): GatewayError {
  return new GatewayError("upstream_timeout", `the gateway was restarted while it ordered the picture, ${words}`);
}
