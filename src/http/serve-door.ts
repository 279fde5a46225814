// Serves the routes of doors: pictures, and pages such as lists of models.
import type { Context, Next } from "koa";
import { GatewayError } from "../errors.ts";
import type { Drawing, Page } from "../door/compile.ts";
import { renderTheirs, rendered, understand, type Foreign } from "../door/understand.ts";
import { readClientBody } from "./body.ts";
import { doorAnswer, type Said } from "./door-answer.ts";
import { doorEvents } from "./door-events.ts";
import { foreignOf, type AtDoor } from "./doors.ts";
import type { Gateway, RequestState } from "./gateway.ts";
import { generations } from "./generations.ts";
import { usualLimits } from "./input-limits.ts";
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
    const { door, route, methods } = at;
    if (!route) {
      ctx.set("allow", methods.join(", "));
      throw new GatewayError("method_not_allowed", `the method ${ctx.method} is not allowed here; use ${methods.join(" or ")}`);
    }
    // The name of the route in metrics; a path would be a name for each model.
    (ctx as { _matchedRoute?: string })._matchedRoute = route.path.written;
    if (route.serves.kind === "page") return servePage(ctx, gateway, at, route.serves);
    return generations(ctx, gateway, route.serves.operation, voiceOf(ctx, gateway, { ...at, door }, route.serves));
  };
}

function voiceOf(ctx: Context, gateway: Gateway, at: AtDoor, drawing: Drawing): Voice {
  const { id } = ctx.state as RequestState;
  let foreign: Foreign;
  const saidOf = (request: Said["request"]): Said => ({ id, foreign, request });
  return {
    optional: drawing.optional,
    understand: (body) => understand(drawing, (foreign = foreignOf(ctx, gateway, at, body))),
    answer: (made, request) => doorAnswer(drawing, saidOf(request), made),
    events: (answer, request, around) => doorEvents(answer, { door: at.door, drawing, said: saidOf(request) }, around),
  };
}

async function servePage(ctx: Context, gateway: Gateway, at: AtDoor, page: Page): Promise<void> {
  const foreign = foreignOf(ctx, gateway, at, page.readsBody ? await bodyOf(ctx, gateway) : {});
  const { client } = ctx.state as RequestState;
  const kept = page.keep.flatMap(([name, template]) => {
    const value = renderTheirs(template, { ...foreign });
    return value === undefined || value === null ? [] : [[name, value] as const];
  });
  if (client && kept.length > 0) gateway.doorMemory?.keep(client.id, at.door.name, Object.fromEntries(kept));
  const named = page.model && renderTheirs(page.model, { ...foreign });
  const model = page.model && modelPage(ctx, gateway, typeof named === "string" ? named : "");
  const after = { ...foreign, kept: { ...foreign.kept, ...Object.fromEntries(kept) } };
  ctx.body = JSON.stringify(rendered(page.body, { ...after, models: modelPages(ctx, gateway), ...(model && { model }) }) ?? null);
  ctx.type = "application/json";
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
