import { randomUUID } from "node:crypto";
import cors from "@koa/cors";
import Router from "@koa/router";
import Koa, { type Context, type Next } from "koa";
import { GatewayError } from "../errors.ts";
import { bearerOf } from "./client-keys.ts";
import { docs, docsAsset } from "./docs.ts";
import type { Gateway, RequestState } from "./gateway.ts";
import { generations } from "./generations.ts";
import { Stalled } from "./meter.ts";
import { listModels, showModel } from "./models.ts";
import { openapi } from "./openapi.ts";
import { clearChannel, requireOperator } from "./operator.ts";
import { storedPicture } from "./pictures.ts";
import { showRequest } from "./requests.ts";
import { measureChannels, metricsPage, ready } from "./status.ts";

/** The gateway's HTTP interface. */
export function createApp(gateway: Gateway): Koa {
  const router = new Router();
  router.post("/v1/images/generations", (ctx) => generations(ctx, gateway, "generate"));
  for (const path of ["/v1/images/edits", "/v1/edits"]) router.post(path, (ctx) => generations(ctx, gateway, "edit"));
  router.post("/v1/images/variations", variations);
  router.get("/v1/requests/:id", (ctx) => showRequest(ctx, gateway));
  router.get("/v1/models", (ctx) => listModels(ctx, gateway));
  router.get("/v1/models/*id", (ctx) => showModel(ctx, gateway));
  router.get("/images/:id", (ctx) => storedPicture(ctx, gateway));
  router.get("/livez", (ctx) => void (ctx.body = { status: "ok" }));
  router.get("/readyz", (ctx) => ready(ctx, gateway));
  router.get("/metrics", (ctx) => metricsPage(ctx, gateway));
  router.get("/openapi.json", (ctx) => openapi(ctx, gateway));
  router.post("/admin/channels/:name/clear", (ctx) => clearChannel(ctx, gateway));
  router.get("/docs", docs);
  router.get("/docs/:name", docsAsset);

  gateway.metrics.measure = () => measureChannels(gateway);
  const app = new Koa({ proxy: gateway.trustProxy ?? false });
  app.silent = true;
  app.use(observe(gateway)).use(errors(gateway));
  if (gateway.corsOrigins) app.use(allowOrigins(gateway.corsOrigins));
  app.use(authenticate(gateway)).use(router.routes()).use(nothingThere(router));
  return app;
}

// Made once: an error's stack is dear, and every request's signal ends with this.
const hungUp = new Error("the client hung up");

/** One log line and one count a request, whatever became of it. */
function observe(gateway: Gateway) {
  return async function observe(ctx: Context, next: Next): Promise<void> {
    const began = performance.now();
    const { socket } = ctx.req;
    const sentBefore = socket.bytesWritten;
    const hangUp = new AbortController();
    const state: RequestState = { id: `req_${randomUUID().replaceAll("-", "")}`, signal: hangUp.signal };
    ctx.state = state;
    ctx.set("x-request-id", state.id);
    gateway.metrics.inFlight.inc();
    state.leave = gateway.life?.enter(hangUp);
    ctx.res.once("close", () => {
      // A request that goes on behind its answer is ended by the process alone.
      if (!state.late) {
        state.leave?.();
        if (!ctx.res.writableFinished) hangUp.abort(hungUp);
      }
      gateway.metrics.inFlight.dec();
      const status = state.failed ?? (ctx.res.writableFinished ? ctx.status : 499);
      const seconds = (performance.now() - began) / 1000;
      const bytes = socket.bytesWritten - sentBefore;
      const path = (ctx as { _matchedRoute?: string })._matchedRoute ?? "none";
      const model = state.model ?? "";
      gateway.metrics.requests.inc({ path, model, status: String(status) });
      gateway.metrics.seconds.observe({ path, model }, seconds);
      gateway.metrics.sentBytes.inc({ path }, bytes);
      const { id, client, channel, attempts } = state;
      gateway.log.info(
        {
          request: id,
          method: ctx.method,
          // A stored picture's id is a secret; its beginning is enough to find it by.
          path: ctx.path.replace(/^(\/images\/.{8}).+/, "$1...").slice(0, 200),
          status,
          ms: Math.round(seconds * 1000),
          bytes,
          client: client?.name,
          model: state.model,
          channel,
          attempts,
          repeats: state.repeats,
        },
        "request",
      );
    });
    await next();
  };
}

/** The only place that makes an answer of an error. */
function errors(gateway: Gateway) {
  return async function errors(ctx: Context, next: Next): Promise<void> {
    try {
      await next();
    } catch (error) {
      const state = ctx.state as RequestState;
      const { signal, id, events } = state;
      const { headersSent, destroyed } = ctx.res;
      const cut = signal.reason instanceof GatewayError ? signal.reason : undefined;
      // Nobody is there to be answered, or half an answer is out already: then only a broken connection tells that it is not whole.
      if ((signal.aborted && !cut) || destroyed || (headersSent && !events)) return void ctx.res.destroy();
      const known = cut ?? (error instanceof GatewayError ? error : new GatewayError("internal_error", "internal error", { cause: error }));
      if (known.status >= 500 && !expected.has(known.code)) gateway.log.error({ request: id, err: error }, "request failed");
      if (headersSent) {
        state.failed = known.status;
        return events?.fail(known);
      }
      ctx.respond = true;
      ctx.remove("content-length");
      if (error instanceof Stalled) ctx.set("connection", "close");
      ctx.status = known.status;
      ctx.body = known.toJSON();
      adviseOnRetry(ctx, known);
    }
  };
}

/**
 * Tell clients whether to send the request again. Those of the OpenAI SDKs repeat every 5xx unless this header says no, and after an order
 * that may have been carried out each repeat would be paid for again.
 */
function adviseOnRetry(ctx: Context, { status, retry, retryAfter }: GatewayError): void {
  const { mayCost = false } = ctx.state as RequestState;
  if (mayCost || status === 429 || status >= 500) ctx.set("x-should-retry", String(retry && !mayCost));
  if (mayCost) return;
  if (retryAfter !== undefined || retry) ctx.set("retry-after", String(retryAfter ?? 1));
}

/** Codes from 500 on that are no trouble of the operator's. */
const expected = new Set(["api_not_implemented", "shutting_down"]);

function allowOrigins(origins: readonly string[]): Koa.Middleware {
  const exposed = ["x-request-id", "x-pictor-channel", "x-pictor-attempts", "x-pictor-changes", "retry-after", "x-should-retry"];
  return cors({
    origin: (ctx) => (origins.includes("*") ? "*" : (origins.find((origin) => origin === ctx.get("origin")) ?? "")),
    exposeHeaders: exposed,
    allowMethods: "GET,HEAD,POST",
    maxAge: 600,
    keepHeadersOnError: false,
  });
}

const open = /^\/(livez|readyz|metrics|openapi\.json|docs(\/.*)?|images\/[^/]*)$/;

function authenticate(gateway: Gateway) {
  return async function authenticate(ctx: Context, next: Next): Promise<void> {
    if (ctx.path.startsWith("/admin/")) requireOperator(ctx, gateway);
    else if (!open.test(ctx.path)) {
      const key = bearerOf(ctx.get("authorization"));
      const client = key === undefined ? undefined : gateway.keys.find(key);
      if (client === undefined) {
        throw new GatewayError(
          "invalid_api_key",
          key === undefined ? "no API key; send the header Authorization: Bearer <key>" : "the API key is not one of this gateway's",
        );
      }
      if (client.expires !== undefined && client.expires <= Date.now())
        throw new GatewayError(
          "invalid_api_key",
          `the API key expired at ${new Date(client.expires).toISOString()}; ask the operator for a new one`,
        );
      (ctx.state as RequestState).client = client;
    }
    await next();
  };
}

/** Paths and methods that are not served. */
function nothingThere(router: Router) {
  return function nothingThere(ctx: Context): void {
    const allowed = [...new Set(router.match(ctx.path, ctx.method).path.flatMap((layer) => layer.methods))];
    if (allowed.length === 0) throw new GatewayError("not_found", `there is nothing at ${ctx.path.slice(0, 200)}`);
    ctx.set("allow", allowed.join(", "));
    throw new GatewayError("method_not_allowed", `the method ${ctx.method} is not allowed here; use ${allowed.join(" or ")}`);
  };
}

function variations(): never {
  throw new GatewayError(
    "api_not_implemented",
    "no channel makes variations; send the picture to /v1/images/edits with a prompt that says what may change",
  );
}
