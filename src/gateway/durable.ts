// Serves requests that outlive their connections: each is a row of the ledger, and is ordered once.
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { GatewayError } from "../errors.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { RequestRow } from "../ledger/row.ts";
import type { PictureFetcher } from "../net/fetch-picture.ts";
import type { Spool, SpoolScope } from "../picture/spool.ts";
import type { PictureStore } from "../picture/store.ts";
import type { Events } from "../plugin/compose.ts";
import type { Change, Result, UnifiedRequest } from "../plugin/context.ts";
import { idsOf, traced, type Trace, type Traces } from "../trace.ts";
import { endBadly, endWell, isOver, outcomeOf, type Outcome, type Seen } from "./ending.ts";
import { generate, type Attempt, type GenerateContext } from "./generate.ts";
import { keepAnswer, type Made } from "./kept-answer.ts";
import { keepRequest, type Asked } from "./kept-request.ts";
import { createLives, type Live } from "./lives.ts";
import { movedOn, orderLogs } from "./order-log.ts";
import { resume } from "./resume.ts";
import type { Routing } from "./routing.ts";
import type { ModelEntry, Table } from "./table.ts";
import { createViewers, type Viewers } from "./viewers.ts";
import { held, whole } from "./whole.ts";

/** A request, with everything that serving it needs beside its row. */
export interface Serving extends Asked {
  entry: ModelEntry;
  table: Table;
  /** Milliseconds for which it goes on after its client has gone. */
  patience: number;
  /** Milliseconds for which what was asked and made is kept. */
  answerLife: number;
  /** The spool that holds the images of the request; it is closed when nobody needs it any more. */
  scope?: SpoolScope;
  client?: GenerateContext["client"];
  standIns?: GenerateContext["standIns"];
}

/** A request under way in this process. */
export interface DurableLive extends Live<Outcome> {
  request: UnifiedRequest;
  /** Show a stream's client what comes; the function ends that. */
  show: (viewer: Events) => () => void;
  /** True where another process can go on with it. */
  isMovable: () => boolean;
}

export interface Durable {
  /** Serve a request whose row is in the ledger and names this process as its owner. What a provider accepted before is followed. */
  serve(row: RequestRow, serving: Serving): DurableLive;
  /** The request of this id, where it is under way in this process. */
  find: (id: string) => DurableLive | undefined;
  /** All that are under way in this process. */
  all: () => DurableLive[];
  /** End those that can go on in another process; a client that waits here for one hears of it. */
  handOver: () => void;
  /** Wait for a request that another process serves, or served. Rejects with the signal's reason. */
  follow(id: string, signal: AbortSignal): Promise<Outcome>;
}

export interface DurableParts {
  ledger: Ledger;
  store: PictureStore;
  spool: Spool;
  routing: Routing;
  fetchPicture: PictureFetcher;
  log: Logger;
  traces: Traces;
  /** True where providers can fetch stored pictures. */
  reachable: boolean;
  /** Called for every attempt as it ends. */
  attempted: (attempt: Attempt) => void;
  /** Called for every attempt once its cost is known. */
  billed?: (attempt: Attempt) => void;
  /** Called for every answer, with the number of its pictures. */
  completed: (answer: { entry: ModelEntry; channel?: string; pictures: number; changes: readonly Change[] }) => void;
  /** Count a request in; what it gives counts it out. `abort` ends it with the process. */
  enter: (request: { abort: (reason?: unknown) => void }) => () => void;
}

/** Time between two looks at a request that another process serves, in milliseconds: a client is waiting, and each look is a query. */
export const lookAgain = 400;

/** Time for which a client that waits in another process counts as waiting, in milliseconds: its process says so three times in it. */
export const wanted = 15_000;

export function createDurable(parts: DurableParts): Durable {
  const { ledger, store } = parts;
  const lives = createLives<Outcome, DurableLive>();
  return {
    serve: (row, serving) => {
      const { scope = parts.spool.scope() } = serving;
      const viewers = createViewers((picture) => held(picture, scope));
      let { wantedUntil } = row;
      // Clocks of machines differ, so a note that is new says it, and not its time.
      const isWanted = async () => {
        const before = wantedUntil;
        wantedUntil = (await ledger.find(row.id))?.wantedUntil;
        return wantedUntil !== before;
      };
      const live = lives.begin(
        row.id,
        { patience: serving.patience, isWanted, more: { request: serving.request, show: viewers.add, isMovable: () => isMovable(row) } },
        (signal, end) => {
          const isAlone = () => lives.find(row.id)?.isAlone() ?? true;
          return run({ row, serving, scope, viewers, signal, isAlone, ...tracedIn(row, serving, parts) }, end, parts);
        },
      );
      void live.left.then(() => scope.close());
      return live;
    },
    find: lives.find,
    all: lives.all,
    handOver: () => {
      for (const live of lives.all()) if (live.isAlone() && live.isMovable()) live.end(movedOn());
    },
    follow: async (id, signal) => {
      for (let told = 0; ;) {
        const row = await ledger.find(id);
        if (!row) return { error: new GatewayError("not_found", "nothing is kept of this request any more"), mayCost: true };
        if (isOver(row)) return outcomeOf(row, store);
        if (Date.now() - told > wanted / 3) {
          told = Date.now();
          await ledger.update(id, { wantedUntil: told + wanted }, ["queued", "in_progress"]);
        }
        await delay(lookAgain, undefined, { signal }).catch(() => signal.throwIfAborted());
      }
    },
  };
}

/** A request being served. */
interface Run {
  row: RequestRow;
  serving: Serving;
  scope: SpoolScope;
  viewers: Viewers;
  signal: AbortSignal;
  /** True where nobody waits for it in this process. */
  isAlone: () => boolean;
  trace: Trace | undefined;
  log: Logger;
}

/** The place of a request in the trace of the one that asked for it, in whatever process that was, and a log whose lines name both. */
function tracedIn({ id }: RequestRow, { traceparent }: Serving, { traces, log }: DurableParts): Pick<Run, "trace" | "log"> {
  const trace = traceparent === undefined ? undefined : traces.at(traceparent);
  return { trace, log: log.child({ request: id, ...idsOf(trace) }) };
}

/** Serve a request to its end. Never rejects but where the ledger has a fault. */
async function run(one: Run, end: (reason?: unknown) => void, parts: DurableParts): Promise<Outcome> {
  const { row, serving, signal, log, trace } = one;
  const { ledger, store } = parts;
  const leave = parts.enter({ abort: end });
  const seen: Seen = { attempts: [], tried: [], mayCost: row.phase !== undefined };
  try {
    const made = await make(one, seen, parts);
    const kept = await traced(trace, { name: "store" }, () => keepMade(one, made, store));
    // Nobody waits for a job with its pictures in memory.
    if (row.job && kept.document === undefined)
      throw new GatewayError("insufficient_storage", "the picture was made, and could not be stored");
    const outcome = await endWell(row, made, { ...kept, seen, ledger });
    const { entry } = serving;
    parts.completed({ entry, channel: outcome.channel, pictures: kept.references.length, changes: made.changes });
    logJob(row, outcome, log);
    return outcome;
  } catch (error) {
    if (isMovable(row) && (codeOf(signal.reason) === "shutting_down" || codeOf(error) === "ledger_unavailable"))
      return await letGo(row, ledger);
    const outcome = await endBadly(row, { error, signal, seen, prompt: serving.request.prompt, ledger });
    logJob(row, outcome, log);
    return outcome;
  } finally {
    leave();
  }
}

/** Time between two tries to store pictures while the store is away, in milliseconds: it may only be starting again. */
export const storeAgain = 1_000;

/** Time for which pictures that nobody waits for are held for a store that is away, in milliseconds: they were paid for, and take room that others need. */
export const heldForStore = 120_000;

/**
 * Keep what was made. A client that waits has its pictures from memory; where nobody waits here, they would be lost with a store that is away, so that it
 * is tried again for a while.
 */
async function keepMade({ serving, viewers, signal, isAlone }: Run, made: Made, store: PictureStore): ReturnType<typeof keepAnswer> {
  const all = { ...made, result: withShown(made.result, viewers) };
  for (const until = performance.now() + heldForStore; ;) {
    const { passes = false, ...kept } = await keepAnswer(store, all, serving.answerLife / 1000);
    if (!passes || !isAlone() || signal.aborted || performance.now() > until) return kept;
    await delay(storeAgain, undefined, { signal }).catch(() => undefined);
  }
}

/** Log the end of a job, which no connection's line reports. */
function logJob({ job, client, model, createdAt }: RequestRow, { channel, attempts, error }: Outcome, log: Logger): void {
  if (!job) return;
  const ended = { client, model, channel, attempts, ms: Date.now() - createdAt };
  if (error) log.warn({ ...ended, code: error.code, reason: error.message }, "a job failed");
  else log.info(ended, "a job is done");
}

/** True where another process can go on: a provider has accepted the task, or nothing was ordered for a job. */
function isMovable({ task, job, phase }: RequestRow): boolean {
  return task !== undefined || (job === true && phase === undefined);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof GatewayError ? error.code : undefined;
}

/** Leave a request to whatever process takes it next. */
async function letGo(row: RequestRow, ledger: Ledger): Promise<Outcome> {
  // This process takes the request up again itself where the ledger is away.
  await ledger
    .update(row.id, { owner: undefined, leaseUntil: undefined, phase: row.phase }, ["queued", "in_progress"], row.owner)
    .catch(() => undefined);
  // Its client may well send it again: it is joined then, and not ordered.
  return { error: movedOn(), mayCost: false };
}

/** Order the pictures, or follow those that were ordered before, until all of them are here. */
async function make({ row, serving, scope, viewers, signal, trace, log }: Run, seen: Seen, parts: DurableParts): Promise<Made> {
  const { store, ledger } = parts;
  const { entry, request, changes, origin, streams, table, client, standIns, pinned, traceparent } = serving;
  const life = serving.answerLife / 1000;
  const context: GenerateContext = {
    routing: parts.routing,
    fetchPicture: parts.fetchPicture,
    save: async (chunks, own) => {
      const { id, mediaType, bytes } = await store.save(chunks, own);
      return { url: `${origin}/images/${id}`, mediaType, bytes };
    },
    reachable: parts.reachable,
    spool: scope,
    log,
    trace,
    signal,
    timeout: table.timeout,
    client,
    pinned,
    standIns,
    changes,
    events: streams ? viewers.events : undefined,
    attempted: (attempt) => note(attempt, seen, parts),
    billed: parts.billed,
    orders: orderLogs(row, {
      ...{ ledger, store, log, life },
      keepInput: () => keepRequest(store, { request, changes, origin, pinned, traceparent }, life),
    }),
  };
  const generated = row.task ? await resume(row, serving, context, store) : await generate(entry, request, context);
  return { ...generated, result: await whole(generated.result, scope) };
}

function note(attempt: Attempt, seen: Seen, parts: DurableParts): void {
  seen.channel = attempt.route.channel.name;
  seen.attempts.push(`${seen.channel} ${attempt.outcome}`);
  seen.tried.push(attempt);
  seen.mayCost ||= attempt.mayCost;
  parts.attempted(attempt);
}

/** A result with the pictures that a stream has shown already. */
function withShown(result: Result, { finished }: Viewers): Result {
  return { ...result, pictures: [...finished.map(({ picture }) => picture), ...result.pictures] };
}
