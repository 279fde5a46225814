// Writes what was made as the answer to a request.
import { finished } from "node:stream/promises";
import type { Context } from "koa";
import type { Logger } from "pino";
import type { MadeFacts } from "../gateway/ending.ts";
import type { Attempt } from "../gateway/generate.ts";
import type { Made } from "../gateway/kept-answer.ts";
import { referenceOf } from "../gateway/references.ts";
import type { ModelEntry } from "../gateway/table.ts";
import { usdText, type Cost } from "../money/cost.ts";
import type { Change } from "../plugin/context.ts";
import { answerBody, type Passing } from "./answer.ts";
import { changesHeader } from "./changes.ts";
import type { Gateway, RequestState } from "./gateway.ts";
import { putInto } from "./write.ts";

/** Answer with what was made; resolves with how many pictures that were. */
export async function respond(ctx: Context, made: Made, log: Logger, spool?: Passing): Promise<number> {
  const state = ctx.state as RequestState;
  const changes = changesHeader(made.changes);
  if (changes) ctx.set("x-pictor-changes", changes);
  const { result } = made;
  const pictures = [...(state.events?.shown ?? []), ...result.pictures.map(referenceOf)];
  const facts: MadeFacts = (state.made = { pictures, usage: result.facts.usage, changes: made.changes });
  if (!result.rest && !state.events) setCost(ctx, made.cost?.());
  if (state.events) await state.events.finish(made);
  else await send(ctx, made, log, spool);
  // It is there: the answer ends with it.
  if (result.rest) facts.usage ??= (await result.rest).facts.usage;
  return pictures.length;
}

/** Say what the request cost, where that is known and something was made, or may have been. */
export function setCost(ctx: Context, cost: Cost | undefined): void {
  if (cost?.nanos === undefined || cost.from === "nothing") return;
  const { costHeader } = ctx.state as RequestState;
  for (const name of ["x-pictor-cost", ...(costHeader === undefined ? [] : [costHeader])]) ctx.set(name, usdText(cost.nanos));
}

/** Count what an attempt cost for the metrics. One after which nothing was made is not counted. */
export function countCost({ route, cost }: Attempt, { costUsd, unpriced }: Gateway["metrics"]): void {
  const labels = { channel: route.channel.name, model: route.model.id };
  const { nanos = 0, from } = cost();
  if (from === "unpriced") unpriced.inc(labels);
  else if (from !== "nothing") costUsd.inc(labels, nanos / 1e9);
}

/** Count an attempt for the metrics. */
export function countAttempt({ route, outcome, seconds }: Attempt, { attempts, attemptSeconds }: Gateway["metrics"]): void {
  const labels = { channel: route.channel.name, model: route.model.id };
  attempts.inc({ ...labels, outcome });
  attemptSeconds.observe(labels, seconds);
}

/** Count what was made for the metrics. */
export function count(
  { pictures, changes }: { pictures: number; changes: readonly Change[] },
  { id, schema }: ModelEntry,
  { channel }: Pick<RequestState, "channel">,
  { metrics }: Pick<Gateway, "metrics">,
): void {
  const labels = { channel, model: id };
  metrics.pictures.inc(labels, pictures);
  // An open schema lets clients name fields of their own, and a label for each would grow without end.
  for (const { field } of changes) metrics.changes.inc({ ...labels, field: schema.properties.includes(field) ? field : "other" });
}

/** Write the answer. Once its head is out, a picture that breaks off can only be reported by breaking the connection off too. */
async function send(ctx: Context, made: Made, log: Logger, spool?: Passing): Promise<void> {
  const state = ctx.state as RequestState;
  const { length, writeTo } = state.answer ? await state.answer.of(made, spool) : answerBody(made, spool);
  ctx.status = 200;
  ctx.type = "application/json";
  if (made.result.pictures.every(({ data }) => data.kind === "url")) {
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
