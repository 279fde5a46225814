// Serves the routes of doors: pictures, and pages such as lists of models.
import { Readable } from "node:stream";
import type { RouterContext } from "@koa/router";
import type { Context, Next } from "koa";
import { GatewayError } from "../errors.ts";
import type { Drawing, Page } from "../door/compile.ts";
import { renderTheirs, rendered, understand, type Foreign } from "../door/understand.ts";
import type { Variables } from "../expression/cel.ts";
import { readKeptAnswer } from "../gateway/kept-answer.ts";
import { encodeJson } from "../net/body.ts";
import { readClientBody } from "./body.ts";
import { doorAnswer, madeVariables, saidVariables, type Said } from "./door-answer.ts";
import { doorEvents } from "./door-events.ts";
import { foreignOf, keptFor, type AtDoor } from "./doors.ts";
import type { Gateway, RequestState } from "./gateway.ts";
import { generations } from "./generations.ts";
import { usualLimits } from "./input-limits.ts";
import { jobOf } from "./jobs.ts";
import { originOf } from "./pictures.ts";
import { viewOf } from "./requests.ts";
import { modelPage, modelPages } from "./models.ts";
import type { Voice } from "./voice.ts";

/** Serves requests that come through a door. */
export function serveDoor(gateway: Gateway) {
  return async function serveDoor(ctx: Context, next: Next): Promise<void> {
    const { door: at } = ctx.state as RequestState;
    if (!at) {
      await next();
      return;
    }
    const { route, methods } = at;
    if (!route) {
      ctx.set("allow", methods.join(", "));
      throw new GatewayError("method_not_allowed", `the method ${ctx.method} is not allowed here; use ${methods.join(" or ")}`);
    }
    // The name of the route in metrics; a path would be a name for each model.
    (ctx as { _matchedRoute?: string })._matchedRoute = route.path.written;
    if (route.serves.kind === "page") return servePage(ctx, gateway, at, route.serves);
    const kept = await keptFor(ctx, gateway, at);
    return generations(ctx, gateway, route.serves.operation, voiceOf(ctx, gateway, { ...at, kept }, route.serves));
  };
}

function voiceOf(ctx: Context, gateway: Gateway, at: AtDoor & Pick<Foreign, "kept">, drawing: Drawing): Voice {
  const { id } = ctx.state as RequestState;
  const { accepted } = drawing;
  let foreign: Foreign;
  const saidOf = (request: Said["request"]): Said => ({ id, foreign, request });
  return {
    optional: drawing.optional,
    understand: (body) => understand(drawing, (foreign = { ...foreignOf(ctx, gateway.table(), at, body), kept: at.kept })),
    ...(accepted && {
      accepted: (job, request) => JSON.stringify(rendered(accepted, { ...saidVariables(saidOf(request)), job }) ?? null),
    }),
    mayBegin: drawing.early.size > 0,
    answer: (made, request, spool) => doorAnswer(drawing, saidOf(request), made, spool),
    events: (answer, request, around) => doorEvents(answer, { door: at.door, drawing, said: saidOf(request) }, around),
  };
}

async function servePage(ctx: Context, gateway: Gateway, at: AtDoor, page: Page): Promise<void> {
  const body = page.readsBody ? await bodyOf(ctx, gateway) : {};
  const foreign = { ...foreignOf(ctx, gateway.table(), at, body), kept: await keptFor(ctx, gateway, at) };
  const { client } = ctx.state as RequestState;
  const kept = page.keep.flatMap(([name, template]) => {
    const value = renderTheirs(template, { ...foreign });
    return value === undefined || value === null ? [] : [[name, value] as const];
  });
  const chosen = Object.fromEntries(kept);
  judgeChoice(chosen);
  if (client && kept.length > 0) await gateway.choices?.keep(client.id, at.door.name, chosen);
  const named = page.model && renderTheirs(page.model, { ...foreign });
  const model = page.model && modelPage(ctx, gateway, typeof named === "string" ? named : "");
  const job = page.job && (await jobVariables(ctx, gateway, renderTheirs(page.job, { ...foreign })));
  const after = { ...foreign, kept: { ...foreign.kept, ...chosen } };
  const known = { ...after, models: modelPages(ctx, gateway), ...(model && { model }), ...job };
  const answer = await encodeJson(rendered(page.body, known) ?? null);
  ctx.body = Buffer.isBuffer(answer) ? answer : Readable.from(answer.chunks());
  ctx.length = answer.length;
  ctx.type = "application/json";
}

/** Choice of a client, in characters of JSON: it is the name of something, and stands in the ledger. */
export const longestChoice = 1000;

function judgeChoice(chosen: Readonly<Record<string, unknown>>): void {
  const long = Object.entries(chosen).find(([, value]) => JSON.stringify(value).length > longestChoice);
  if (long)
    throw new GatewayError("string_above_max_length", `${long[0]} is longer than the ${longestChoice} characters that are kept`, {
      param: long[0],
    });
}

/** A job as a page sees it, with what it made once it is over. Throws a 404 for another client's. */
async function jobVariables(ctx: Context, gateway: Gateway, id: unknown): Promise<Variables> {
  const row = await jobOf(ctx, gateway, typeof id === "string" ? id : "");
  const { result, ...job } = await viewOf(ctx as RouterContext, gateway, row);
  if (!result || row.answer === undefined) return { job };
  const origin = originOf(ctx, gateway);
  const [made, linked] = await Promise.all([
    readKeptAnswer(gateway.store, row.answer),
    readKeptAnswer(gateway.store, row.answer, (stored) => `${origin}/images/${stored}`),
  ]);
  if (!made || !linked) return { job };
  const urls = linked.result.pictures.map(({ data }) => (data.kind === "url" ? { url: data.url } : {}));
  const variables = madeVariables(made);
  const pictures = variables.result.pictures.map((one, at) => ({ ...one, ...urls[at] }));
  return { ...variables, job, result: { ...variables.result, pictures } };
}

/** The body of a request that makes nothing; an empty object where it has none. */
async function bodyOf(ctx: Context, gateway: Gateway): Promise<Record<string, unknown>> {
  const { headers } = ctx.req;
  if (headers["transfer-encoding"] === undefined && Number(headers["content-length"] ?? 0) === 0) return {};
  const { signal } = ctx.state as RequestState;
  const scope = gateway.spool.scope();
  try {
    const limits = { ...(gateway.inputLimits ?? usualLimits), anywhere: true };
    return (await readClientBody(ctx.req, limits, scope.inputs, signal)).fields;
  } finally {
    await scope.close();
  }
}
