// Puts the HTTP interface together: routes and middleware.
import cors from "@koa/cors";
import Router from "@koa/router";
import Koa from "koa";
import { listChannels } from "./channels.ts";
import { consoleAsset, consolePage, frontPage } from "../console/page.ts";
import type { PathPattern } from "../door/path.ts";
import { GatewayError } from "../errors.ts";
import { addKey, changeKey, listKeys, revokeKey, rotateKey, showKey, showKeyChanges } from "./admin-keys.ts";
import { authenticate } from "./authenticate.ts";
import { billing } from "./billing.ts";
import { listDeliveries, redeliver } from "./deliveries.ts";
import { docs, docsAsset } from "./docs.ts";
import { findDoor } from "./doors.ts";
import { serveDoor } from "./serve-door.ts";
import { errors } from "./errors.ts";
import { estimateRequest, explainRequest } from "./estimate.ts";
import type { Gateway } from "./gateway.ts";
import { generations } from "./generations.ts";
import { judgeHead } from "./head.ts";
import { streamJob } from "./job-events.ts";
import { cancelJob, listJobs, showJob } from "./jobs.ts";
import { listMatrix, listModels, showModel } from "./models.ts";
import { nothingThere } from "./nothing-there.ts";
import { observe } from "./observe.ts";
import { openapi } from "./openapi.ts";
import { clearChannel } from "./operator.ts";
import { storedPicture } from "./pictures.ts";
import { listRequests, showRequest } from "./requests.ts";
import { measureBudgets, measureChannels, measureLedger, measureStore, measureWebhooks, metricsPage, ready } from "./status.ts";
import { showUsage } from "./usage.ts";

/** Prefixes under which clients look for the interface: most below /v1, some beside it, and some below /openai. */
const bases = ["/v1", "", "/openai/v1", "/openai"];

/** The gateway's own routes. */
function createRouter(gateway: Gateway): Router {
  const router = new Router();
  for (const base of bases) {
    router.post(`${base}/images/generations`, (ctx) => generations(ctx, gateway, "generate"));
    for (const path of ["/images/edits", "/edits"]) router.post(base + path, (ctx) => generations(ctx, gateway, "edit"));
    router.post(`${base}/images/variations`, variations);
    router.post(`${base}/images/estimate`, (ctx) => estimateRequest(ctx, gateway));
    router.post(`${base}/images/explain`, (ctx) => explainRequest(ctx, gateway));
    router.get(`${base}/models`, (ctx) => listModels(ctx, gateway));
    router.get(`${base}/models/matrix`, (ctx) => listMatrix(ctx, gateway));
    router.get(`${base}/models/*id`, (ctx) => showModel(ctx, gateway));
  }
  router.post("/openai/deployments/*model/images/generations", (ctx) => generations(ctx, gateway, "generate"));
  router.post("/openai/deployments/*model/images/edits", (ctx) => generations(ctx, gateway, "edit"));
  for (const path of ["generations", "edits"])
    router.post(`/v1/images/${path}/async`, (ctx) => generations(ctx, gateway, path === "edits" ? "edit" : "generate"));
  router.get("/v1/images/jobs", (ctx) => listJobs(ctx, gateway));
  // Relays' clients ask for tasks.
  for (const path of ["/v1/images/jobs/:id", "/v1/images/tasks/:id", "/v1/tasks/:id"]) {
    router.get(path, (ctx) => showJob(ctx, gateway));
    router.get(`${path}/events`, (ctx) => streamJob(ctx, gateway));
  }
  router.post("/v1/images/jobs/:id/cancel", (ctx) => cancelJob(ctx, gateway));
  router.delete("/v1/images/jobs/:id", (ctx) => cancelJob(ctx, gateway));
  router.get("/v1/requests", (ctx) => listRequests(ctx, gateway));
  router.get("/v1/requests/:id", (ctx) => showRequest(ctx, gateway));
  router.get("/v1/usage", (ctx) => showUsage(ctx, gateway));
  for (const [path, serve] of Object.entries(billing))
    router.get(path, (ctx) => {
      ctx.set("cache-control", "no-store");
      return serve(ctx, gateway);
    });
  router.get("/images/:id", (ctx) => storedPicture(ctx, gateway));
  router.get("/livez", (ctx) => void (ctx.body = { status: "ok" }));
  router.get("/readyz", (ctx) => ready(ctx, gateway));
  router.get("/metrics", (ctx) => metricsPage(ctx, gateway));
  router.get("/openapi.json", (ctx) => openapi(ctx, gateway));
  router.get("/admin/channels", (ctx) => listChannels(ctx, gateway));
  router.post("/admin/channels/:name/clear", (ctx) => clearChannel(ctx, gateway));
  router.get("/admin/webhooks/deliveries", (ctx) => listDeliveries(ctx, gateway));
  router.post("/admin/webhooks/deliveries/:id/redeliver", (ctx) => redeliver(ctx, gateway));
  router.post("/admin/keys", (ctx) => addKey(ctx, gateway));
  router.get("/admin/keys", (ctx) => listKeys(ctx, gateway));
  router.get("/admin/keys/:name", (ctx) => showKey(ctx, gateway));
  router.get("/admin/keys/:name/changes", (ctx) => showKeyChanges(ctx, gateway));
  router.patch("/admin/keys/:name", (ctx) => changeKey(ctx, gateway));
  router.delete("/admin/keys/:name", (ctx) => revokeKey(ctx, gateway));
  router.post("/admin/keys/:name/rotate", (ctx) => rotateKey(ctx, gateway));
  router.get("/docs", docs);
  router.get("/docs/:name", docsAsset);
  const hasConsole = gateway.hasConsole ?? true;
  router.get("/", (ctx) => frontPage(ctx, { hasConsole }));
  if (hasConsole) {
    router.get("/console", consolePage);
    router.get("/console/*path", consoleAsset);
  }
  return router;
}

let own: Router | undefined;

/** True for a path of a door at which, with whatever method, the gateway itself serves something. */
export function isOwnPath({ example, parametersOf }: PathPattern): boolean {
  // No route looks at the gateway before it is called.
  own ??= createRouter({} as Gateway);
  const isServed = own.match(example, "GET").path.length > 0 || /^\/admin(\/|$)/i.test(example);
  return isServed || own.stack.some(({ path }) => parametersOf(String(path).replaceAll(/[:*]\w+/g, "x")) !== undefined);
}

/** The gateway's HTTP interface. */
export function createApp(gateway: Gateway): Koa {
  const router = createRouter(gateway);
  gateway.metrics.measure = () => {
    measureChannels(gateway);
    measureLedger(gateway);
  };
  gateway.metrics.measureStore = () => measureStore(gateway);
  gateway.metrics.measureBudgets = () => measureBudgets(gateway);
  gateway.metrics.measureWebhooks = () => measureWebhooks(gateway);
  // Of the addresses in a header the last is the one that the trusted proxy saw: whatever stands before it a client may have written.
  const app = new Koa({ proxy: gateway.trustProxy ?? false, maxIpsCount: 1 });
  app.silent = true;
  app.use(observe(gateway)).use(errors(gateway)).use(judgeHead).use(findDoor(gateway));
  if (gateway.corsOrigins) app.use(allowOrigins(gateway.corsOrigins));
  app.use(authenticate(gateway)).use(serveDoor(gateway)).use(router.routes()).use(nothingThere(router));
  return app;
}

function allowOrigins(origins: readonly string[]): Koa.Middleware {
  const pictors = [
    "x-request-id",
    "x-pictor-channel",
    "x-pictor-attempts",
    "x-pictor-changes",
    "x-pictor-cost",
    "idempotent-replayed",
    "location",
    "preference-applied",
  ];
  const exposed = [...pictors, "retry-after", "x-should-retry", "deprecation", "sunset"];
  return cors({
    origin: (ctx) => (origins.includes("*") ? "*" : (origins.find((origin) => origin === ctx.get("origin")) ?? "")),
    exposeHeaders: exposed,
    allowMethods: "GET,HEAD,POST,DELETE",
    maxAge: 600,
    keepHeadersOnError: false,
  });
}

function variations(): never {
  throw new GatewayError(
    "api_not_implemented",
    "no channel makes variations; send the picture to /v1/images/edits with a prompt that says what may change",
  );
}
