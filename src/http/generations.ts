// Serves generations and edits, from the request's body to the answer.
import { finished } from "node:stream/promises";
import type { Context } from "koa";
import type { Logger } from "pino";
import { GatewayError } from "../errors.ts";
import { generate, type Attempt, type Generated, type StandIn } from "../gateway/generate.ts";
import type { AttemptContext } from "../gateway/attempt.ts";
import type { ModelEntry, Table } from "../gateway/table.ts";
import type { SpoolScope } from "../picture/spool.ts";
import { NotStored } from "../picture/store.ts";
import { operationOf, type Change } from "../plugin/context.ts";
import type { OperationName } from "../schema/models.ts";
import { answerBody } from "./answer.ts";
import { changesHeader } from "./changes.ts";
import { answerEvents } from "./events.ts";
import { fingerprintOf } from "./fingerprint.ts";
import type { Gateway, RequestState } from "./gateway.ts";
import { finishLate, inTime } from "./late.ts";
import { modelFor } from "./models.ts";
import { patienceOf } from "./patience.ts";
import { originOf } from "./pictures.ts";
import { repeatsOf, type Repeats } from "./repeats.ts";
import { readRequest, usualLimits, type ReadRequest } from "./request.ts";
import { judgeRoom } from "./room.ts";
import { putInto } from "./write.ts";

/** POST /v1/images/generations and POST /v1/images/edits: `operation` is what the path asks for, and images make any of them an edit. */
export async function generations(ctx: Context, gateway: Gateway, operation: OperationName): Promise<void> {
  const state = ctx.state as RequestState;
  const began = performance.now();
  const table = gateway.table();
  const log = gateway.log.child({ request: state.id });
  const spool = gateway.spool.scope();
  const close = () => spool.close();
  let late: Promise<void> | undefined;
  let repeats: Repeats | undefined;
  try {
    const read = await readRequest(ctx.req, {
      operation,
      // An address may name the model, as those below /openai do.
      usualModel: (ctx.params as { model?: string } | undefined)?.model ?? table.defaultModel,
      find: (model) => {
        const entry = modelFor(ctx, table, model, gateway.routing.date());
        state.model = model;
        return entry;
      },
      limits: gateway.inputLimits ?? usualLimits,
      spool: spool.inputs,
      signal: state.signal,
    });
    await judgeRoom(gateway, read.request.n);
    const asked = { operation, stream: read.streams, channel: ctx.get("x-pictor-channel").trim() };
    const fingerprint = () => fingerprintOf(read.request, asked);
    repeats = repeatsOf(ctx, gateway.routing.uncertain, table.repeatWithin ?? 0, fingerprint);
    await repeats.refuse();
    try {
      const { work, save } = order(ctx, gateway, read, { table, spool, log });
      const patience = patienceOf(ctx.req.headers, table.answerWithin);
      // The client's time began before its body was here.
      const left = patience && Math.max(0, patience - (performance.now() - began));
      const generated = state.events ? await work : await inTime(work, left);
      if (generated) await answer(ctx, gateway, read.entry, { generated, spool, log });
      else {
        state.late = true;
        const made = ({ result, changes }: Generated) => count(result.pictures.length, changes, read.entry, state, gateway);
        late = finishLate(ctx, gateway, { work, save, made, spool, log });
        throw new GatewayError(
          "upstream_timeout",
          `the picture is not ready yet and is still being made; GET /v1/requests/${state.id} gives it once it is there`,
        );
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

/** Time between two comments of a stream while the provider works, in milliseconds: nothing between must take the connection for dead. */
export const betweenSigns = 10_000;

/** Begin what was asked for. */
function order(
  ctx: Context,
  gateway: Gateway,
  { entry, request, changes, streams, forModel }: ReadRequest,
  { table, spool, log }: { table: Table; spool: SpoolScope; log: Logger },
): { work: Promise<Generated>; save: AttemptContext["save"] } {
  const state = ctx.state as RequestState;
  const { heartbeat = betweenSigns } = gateway;
  const kind = operationOf(request) === "edit" ? "image_edit" : "image_generation";
  if (streams) state.events = answerEvents(ctx, { kind, request, heartbeat, spool, log });
  const origin = originOf(ctx, gateway);
  const save: AttemptContext["save"] = async (chunks, life) => {
    const { id, mediaType, bytes } = await gateway.store.save(chunks, life).catch((error: unknown) => {
      if (error instanceof NotStored) log.error({ err: error }, "a picture could not be stored");
      throw error;
    });
    return { url: `${origin}/images/${id}`, mediaType, bytes };
  };
  const work = generate(entry, request, {
    fetchPicture: gateway.fetchPicture,
    save,
    reachable: gateway.publicUrl !== undefined,
    spool,
    early: !state.events,
    log,
    signal: state.signal,
    routing: gateway.routing,
    timeout: table.timeout,
    client: state.client,
    pinned: pinnedOf(ctx, entry, operationOf(request), state),
    standIns: standInsOf(entry, forModel, table.models, state),
    changes,
    attempted: (attempt) => note(ctx, attempt, gateway),
    events: state.events?.events,
  });
  return { work, save };
}

/** Answer with what was made. */
async function answer(
  ctx: Context,
  gateway: Gateway,
  entry: ModelEntry,
  { generated, spool, log }: { generated: Generated; spool: SpoolScope; log: Logger },
): Promise<void> {
  const state = ctx.state as RequestState;
  const changes = changesHeader(generated.changes);
  if (changes) ctx.set("x-pictor-changes", changes);
  let made = generated.result.pictures.length;
  if (state.events) made = await state.events.finish(generated);
  else await send(ctx, generated, spool, log);
  count(made, generated.changes, entry, state, gateway);
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

/** Tell of an attempt: to the client in headers, to the operator in the log and the metrics. */
function note(ctx: Context, attempt: Attempt, { metrics }: Gateway): void {
  const state = ctx.state as RequestState;
  const { route, outcome, seconds } = attempt;
  const channel = route.channel.name;
  state.channel = channel;
  state.mayCost ||= attempt.mayCost;
  state.attempts = [state.attempts, `${channel} ${outcome}`].filter(Boolean).join(", ");
  ctx.set({ "x-pictor-channel": channel, "x-pictor-attempts": state.attempts });
  metrics.attempts.inc({ channel, model: route.model.id, outcome });
  metrics.attemptSeconds.observe({ channel, model: route.model.id }, seconds);
}

function count(
  made: number,
  changes: readonly Change[],
  { id, schema }: ModelEntry,
  { channel }: RequestState,
  { metrics }: Gateway,
): void {
  const labels = { channel, model: id };
  metrics.pictures.inc(labels, made);
  // An open schema lets clients name fields of their own, and a label for each would grow without end.
  for (const { field } of changes) metrics.changes.inc({ ...labels, field: schema.properties.includes(field) ? field : "other" });
}

/** Write the answer. Once its head is out, a picture that breaks off can only be told by breaking the connection off too. */
async function send(ctx: Context, generated: Generated, spool: SpoolScope, log: Logger): Promise<void> {
  const state = ctx.state as RequestState;
  const { length, writeTo } = answerBody(generated, spool);
  ctx.status = 200;
  ctx.type = "application/json";
  if (generated.result.pictures.every(({ data }) => data.kind === "url")) {
    // An answer without pictures in it is one short text, for which a pipeline would cost more than writing it.
    let text = "";
    await writeTo((piece) => void (text += String(piece)));
    ctx.body = text;
    return;
  }
  if (length !== undefined) ctx.length = length;
  ctx.respond = false;
  try {
    // By hand: a pipe between them would cost as much again as the copying.
    await writeTo(putInto(ctx.res, state.signal));
  } catch (error) {
    if (!state.signal.aborted) {
      state.failed = 502;
      log.error({ err: error }, "the answer broke off");
    }
    throw error;
  }
  ctx.res.end();
  await finished(ctx.res);
}
