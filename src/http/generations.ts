// Serves generations and edits, from the request's body to the answer.
import type { Context } from "koa";
import type { Logger } from "pino";
import { GatewayError } from "../errors.ts";
import { generate, type Attempt, type Generated, type StandIn } from "../gateway/generate.ts";
import type { AttemptContext } from "../gateway/attempt.ts";
import { reservationOf } from "../gateway/budget.ts";
import type { KeepAfterHangup } from "../gateway/client.ts";
import { ledgerAway } from "../gateway/order-log.ts";
import type { ModelEntry, Table } from "../gateway/table.ts";
import { sumOf } from "../money/cost.ts";
import type { SpoolScope } from "../picture/spool.ts";
import { NotStored } from "../picture/store.ts";
import { operationOf } from "../plugin/context.ts";
import type { OperationName } from "../schema/models.ts";
import { idsOf } from "../trace.ts";
import { answerDurably, notReady } from "./durable.ts";
import { answerEvents, type EventAnswer } from "./events.ts";
import { fingerprintOf } from "./fingerprint.ts";
import type { Gateway, RequestState } from "./gateway.ts";
import { ownName, repeatName, type RepeatName } from "./idempotency.ts";
import { beginJob, jobIn } from "./jobs.ts";
import { goOnLate, inTime } from "./late.ts";
import { modelFor } from "./models.ts";
import { patienceOf } from "./patience.ts";
import { ownPictures } from "./own-pictures.ts";
import { originOf } from "./pictures.ts";
import { count, countAttempt, countCost, respond, setCost } from "./respond.ts";
import { repeatsOf, type Repeats } from "./repeats.ts";
import { beginSpan } from "./request-span.ts";
import { usualLimits } from "./input-limits.ts";
import { readRequest, type ReadRequest } from "./request.ts";
import { judgeRoom } from "./room.ts";
import type { Voice } from "./voice.ts";
import { webhookIn } from "./webhook.ts";

/**
 * POST /v1/images/generations and POST /v1/images/edits: `operation` is what the path asks for, and images make any of them an edit. `voice` is there
 * where the client speaks another API.
 */
export async function generations(ctx: Context, gateway: Gateway, operation: OperationName, voice?: Voice): Promise<void> {
  const state = ctx.state as RequestState;
  const began = performance.now();
  const table = gateway.table();
  state.costHeader = table.costHeader;
  beginSpan(state, gateway);
  const log = gateway.log.child({ request: state.id, ...idsOf(state.trace) });
  const spool = gateway.spool.scope();
  let close = () => spool.close();
  let late: Promise<void> | undefined;
  let repeats: Repeats | undefined;
  try {
    const read = await readAsked(ctx, gateway, { operation, table, spool, voice });
    const { n, prompt } = read.request;
    state.asked = { operation: operationOf(read.request), n, prompt };
    await judgeRoom(gateway, n);
    const webhook = webhookIn(ctx, read);
    const asked = { operation, stream: read.streams, channel: ctx.get("x-pictor-channel").trim(), webhook };
    const fingerprint = () => fingerprintOf(read.request, asked);
    const { durable } = gateway;
    const name = durable && repeatName(ctx.req, durable.lives().answers);
    const job = jobIn(ctx, read);
    const asking = servingOf(ctx, gateway, read, table);
    const reservation = await reserve(state, gateway, asking);
    if (job) {
      await beginJob(ctx, gateway, { ...asking, name, job, webhook, fingerprint, reservation });
      return;
    }
    refuseWebhook(webhook);
    repeats = repeatsOf(ctx, gateway.routing.uncertain, table.repeatWithin ?? 0, fingerprint);
    if (!name?.isKeyed) await repeats.refuse();
    try {
      // Nobody could fetch what came later where nothing is kept.
      const patience = durable && patienceOf(ctx.req.headers, table.answerWithin);
      // The client's time began before its body was here.
      const left = patience && Math.max(0, patience - (performance.now() - began));
      if (read.streams) state.events = eventsOf(ctx, gateway, read, { spool, log, voice });
      const keep = state.client?.keepAfterHangup ?? table.keepAfterHangup;
      const known = name ?? (durable && (reservation ?? keep === "always") ? ownName(state.id, durable.lives().answers) : undefined);
      if (durable && known) {
        const answerLife = keep === "always" ? durable.lives().answers : known.life;
        const serving = { ...asking, patience: patienceAfter(name, keep), answerLife, scope: spool };
        // The request has the spool for as long as it lives.
        const begun = () => (close = () => Promise.resolve());
        const wanted = { name: known, fingerprint: await fingerprint(), serving, reservation, left, log, begun };
        if (await answerDurably(ctx, durable, wanted)) return;
      }
      state.asked.startedAt = Date.now();
      const work = order(ctx, gateway, asking, { spool, log });
      const generated = state.events ? await work : await inTime(work, left);
      if (generated) count({ pictures: await respond(ctx, generated, log, spool), changes: generated.changes }, read.entry, state, gateway);
      else if (durable) {
        const made = ({ result, changes }: Generated) => count({ pictures: result.pictures.length, changes }, read.entry, state, gateway);
        late = (await goOnLate(state, gateway, durable, { work, made, spool, log })).ended;
        throw notReady(state.id);
      }
    } catch (error) {
      await repeats.remember(error);
      throw error;
    }
  } catch (error) {
    // A picture that is there has to be paid for: it goes out before the error does, and while the spool has it.
    await state.events?.release().catch(() => undefined);
    throw error;
  } finally {
    if (late)
      void late
        .then(() => !state.mayCost && repeats?.forget())
        .finally(close)
        .finally(state.leave);
    else await close();
  }
}

/** Read the request, in whatever API it is. */
async function readAsked(
  ctx: Context,
  gateway: Gateway,
  { operation, table, spool, voice }: { operation: OperationName; table: Table; spool: SpoolScope; voice: Voice | undefined },
): Promise<ReadRequest> {
  const state = ctx.state as RequestState;
  const read = await readRequest(ctx.req, {
    operation,
    // An address may name the model, as those below /openai do.
    usualModel: (ctx.params as { model?: string } | undefined)?.model ?? table.defaultModel,
    find: (model) => {
      const entry = modelFor(ctx, table, model, gateway.routing.date());
      state.model = model;
      state.asked = { operation, n: 1, prompt: "" };
      return entry;
    },
    limits: gateway.inputLimits ?? usualLimits,
    spool: spool.inputs,
    own: ownPictures(ctx, gateway),
    signal: state.signal,
    voice,
  });
  if (voice) {
    const { accepted, mayBegin } = voice;
    state.answer = { mayBegin, of: (made, spool) => voice.answer(made, read.request, spool) };
    if (accepted) state.accepted = (job) => accepted(job, read.request);
  }
  return read;
}

/** Time between two comments of a stream while the provider works, in milliseconds: nothing between must take the connection for dead. */
export const betweenSigns = 10_000;

/** Time for which a request goes on after its client has gone that repeats requests by itself, in milliseconds: the repeat is about to come. */
export const patienceForRetry = 15_000;

/** Milliseconds for which a request goes on after its client has gone. */
function patienceAfter(name: RepeatName | undefined, keep: KeepAfterHangup | undefined): number {
  if (keep) return keep === "always" ? Infinity : 0;
  if (!name) return 0;
  return name.isKeyed ? Infinity : patienceForRetry;
}

/** The answer as events. */
function eventsOf(
  ctx: Context,
  { heartbeat = betweenSigns }: Gateway,
  { request }: ReadRequest,
  { spool, log, voice }: { spool: SpoolScope; log: Logger; voice: Voice | undefined },
): EventAnswer {
  if (voice) return voice.events(ctx, request, { heartbeat, log });
  const kind = operationOf(request) === "edit" ? "image_edit" : "image_generation";
  return answerEvents(ctx, { kind, request, heartbeat, spool, log });
}

/** Throws where a request that is no job names a webhook. */
function refuseWebhook(webhook: string | undefined): void {
  if (webhook === undefined) return;
  throw new GatewayError("invalid_value", "webhook is told of the end of a job; send the header prefer: respond-async too", {
    param: "webhook",
  });
}

/** The request's part of the budgets of its client, where that has any. */
async function reserve({ client }: RequestState, { routing, durable }: Gateway, asking: ReturnType<typeof servingOf>) {
  const reservation = await reservationOf(client, asking, routing.date());
  // Nobody could say here how much is left.
  if (reservation && !durable) throw ledgerAway(undefined);
  return reservation;
}

/** Everything that serving the request needs, wherever and whenever that is. */
function servingOf(ctx: Context, gateway: Gateway, { entry, request, changes, streams, forModel }: ReadRequest, table: Table) {
  const state = ctx.state as RequestState;
  return {
    entry,
    table,
    request,
    changes: [...changes],
    streams,
    origin: originOf(ctx, gateway),
    client: state.client,
    traceparent: state.trace?.traceparent,
    pinned: pinnedOf(ctx, entry, operationOf(request), state),
    standIns: standInsOf(entry, forModel, table.models, state),
  };
}

/** Begin what was asked for. */
function order(
  ctx: Context,
  gateway: Gateway,
  { entry, request, table, origin, ...serving }: ReturnType<typeof servingOf>,
  { spool, log }: { spool: SpoolScope; log: Logger },
): Promise<Generated> {
  const state = ctx.state as RequestState;
  const save: AttemptContext["save"] = async (chunks, life) => {
    const { id, mediaType, bytes } = await gateway.store.save(chunks, life).catch((error: unknown) => {
      if (error instanceof NotStored) log.error({ err: error }, "a picture could not be stored");
      throw error;
    });
    return { url: `${origin}/images/${id}`, mediaType, bytes };
  };
  return generate(entry, request, {
    fetchPicture: gateway.fetchPicture,
    save,
    reachable: gateway.publicUrl !== undefined,
    spool,
    // The head waits for the bill where it has to say it, and for the picture where a template cannot write the answer without it.
    early: !state.events && state.answer?.mayBegin !== false && state.costHeader === undefined,
    log,
    trace: state.trace,
    signal: state.signal,
    routing: gateway.routing,
    timeout: table.timeout,
    client: serving.client,
    pinned: serving.pinned,
    standIns: serving.standIns,
    changes: serving.changes,
    attempted: (attempt) => note(ctx, attempt, gateway),
    billed: (attempt) => countCost(attempt, gateway.metrics),
    events: state.events?.events,
  });
}

/** The channel that the client chose. Throws where the key does not allow that, or the channel cannot do this with the model. */
function pinnedOf(ctx: Context, { id, routes }: ModelEntry, operation: OperationName, { client }: RequestState): string | undefined {
  const name = ctx.get("x-pictor-channel").trim();
  if (name === "") return undefined;
  if (!client?.mayPin)
    throw new GatewayError("channel_not_allowed", "this key may not choose the channel; leave the header x-pictor-channel out");
  const names = routes.filter(({ operations }) => operations.has(operation)).map(({ channel }) => channel.name);
  if (!names.includes(name))
    throw new GatewayError(
      "invalid_value",
      `x-pictor-channel: ${JSON.stringify(name.slice(0, 80))} does not ${operation} with ${id}; these do: ${names.join(", ")}`,
      { param: "x-pictor-channel" },
    );
  return name;
}

/** The models that the operator lets stand in for this one, as far as they are there. */
function standInsOf(
  { fallback }: ModelEntry,
  forModel: ReadRequest["forModel"],
  models: Table["models"],
  { client }: RequestState,
): StandIn[] {
  return fallback.flatMap((id) => {
    const entry = models.get(id);
    return entry && client?.allows(id) ? [{ entry, input: () => forModel(entry) }] : [];
  });
}

/** Report an attempt: to the client in headers, to the operator in the log and the metrics. */
function note(ctx: Context, attempt: Attempt, { metrics }: Gateway): void {
  const state = ctx.state as RequestState;
  const { route, outcome } = attempt;
  const channel = route.channel.name;
  state.channel = channel;
  state.mayCost ||= attempt.mayCost;
  const before = state.cost;
  state.cost = () => sumOf([...(before ? [before()] : []), attempt.cost()]);
  if (outcome !== "ok") setCost(ctx, state.cost());
  state.attempts = [state.attempts, `${channel} ${outcome}`].filter(Boolean).join(", ");
  ctx.set({ "x-pictor-channel": channel, "x-pictor-attempts": state.attempts });
  countAttempt(attempt, metrics);
}
