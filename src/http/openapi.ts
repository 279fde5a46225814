// Serves the description of the interface.
import type { Context } from "koa";
import { livingModels } from "../gateway/life.ts";
import type { Door } from "../door/compile.ts";
import type { ModelEntry } from "../gateway/table.ts";
import type { Gateway } from "./gateway.ts";
import { editForm, picture, images, error, matrixRow, model, ref, type Json } from "./openapi-shapes.ts";
import { jobEvents, jobPaths, jobSchemas, madeOrKept, orderHeaders } from "./openapi-jobs.ts";
import { describeDoors } from "./openapi-doors.ts";
import { estimatePaths } from "./openapi-estimate.ts";
import { channelPaths } from "./openapi-channels.ts";
import { keyPaths, keySchemas } from "./openapi-keys.ts";
import { failures, id, json } from "./openapi-parts.ts";
import { requestPaths, requestSchemas } from "./openapi-requests.ts";
import { usagePaths } from "./openapi-usage.ts";
import { originOf } from "./pictures.ts";
import { version } from "./version.ts";

/** GET /openapi.json: made from the very schemas that requests are judged by. */
export function openapi(ctx: Context, gateway: Gateway): void {
  // It names the host that the request named, so no cache may give it to those who named another.
  ctx.set("cache-control", "no-cache");
  ctx.vary("host, x-forwarded-host, x-forwarded-proto");
  const table = gateway.table();
  ctx.body = describe(livingModels(table, gateway.routing.date()), originOf(ctx, gateway), table.doors);
}

/** The interface as OpenAPI 3.1. */
export function describe(models: readonly ModelEntry[], server: string, doors: readonly Door[] = []): Json {
  const others = describeDoors(doors);
  const schemas = Object.fromEntries(models.map(({ id, schema }) => [componentName(id), component(id, schema.bundled)]));
  const common = models[0]?.schema.bundled.$defs?.common as Json | undefined;
  const requests = models.map(({ id }) => ({ $ref: `#/components/schemas/${componentName(id)}` }));
  return {
    openapi: "3.1.0",
    info: {
      title: "Pictor",
      version,
      summary: "One images API in front of every image model.",
      description: "OpenAI's Images API. Each model's schema says what it takes; what cannot be had is refused with what can.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: server }],
    security: [{ key: [] }],
    tags: [
      { name: "images", description: "Pictures." },
      { name: "jobs", description: "Pictures that are fetched later." },
      { name: "usage", description: "What it cost." },
      { name: "models", description: "What there is." },
      { name: "keys", description: "The clients' keys, for the operator." },
      { name: "service", description: "The gateway itself." },
      { name: "operator", description: "For the operator alone." },
      ...others.tags,
    ],
    paths: { ...paths(requests.length > 0 ? { anyOf: requests } : { type: "object" }), ...others.paths },
    webhooks: jobEvents,
    components: {
      securitySchemes: {
        ...others.securitySchemes,
        key: { type: "http", scheme: "bearer", description: "A client key of this gateway." },
        operator: { type: "http", scheme: "bearer", description: "The operator's key, `PICTOR_ADMIN_KEY`." },
      },
      schemas: {
        ...schemas,
        ...(common ? { common: component("common", common) } : {}),
        Images: images,
        Error: error,
        Model: model,
        MatrixRow: matrixRow,
        ...jobSchemas,
        ...requestSchemas,
        ...keySchemas,
      },
    },
  };
}

function paths(request: Json): Json {
  return {
    ...orderPaths(request),
    ...modelPaths,
    ...estimatePaths(request),
    ...jobPaths(request),
    ...requestPaths,
    ...usagePaths,
    ...keyPaths,
    ...channelPaths,
    ...picturePaths,
    ...servicePaths,
  };
}

function orderPaths(request: Json): Json {
  return {
    "/v1/images/generations": {
      post: {
        operationId: "createImage",
        summary: "Make pictures.",
        tags: ["images"],
        parameters: orderHeaders,
        requestBody: { required: true, content: json(request) },
        responses: madeOrKept,
      },
    },
    ...Object.fromEntries(
      ["/v1/images/edits", "/v1/edits"].map((path, index) => [
        path,
        {
          post: {
            operationId: index === 0 ? "createImageEdit" : "createEdit",
            summary: "Edit pictures.",
            description:
              "A form with files, answered with base64 where it names no `response_format`, or JSON with `images`. A generation with `image` is the same. The model's `x-operations` says whether it edits.",
            tags: ["images"],
            parameters: orderHeaders,
            requestBody: { required: true, content: { "multipart/form-data": { schema: editForm }, ...json(request) } },
            responses: madeOrKept,
          },
        },
      ]),
    ),
  };
}

const modelPaths: Json = {
  "/v1/models": listOf("Model", {
    operationId: "listModels",
    summary: "List the models.",
    description: "Every model that can be asked for now.",
  }),
  "/v1/models/matrix": listOf("MatrixRow", {
    operationId: "listMatrix",
    summary: "Show what each model can do, one row a model.",
    description: "The same models, with what clients choose one by.",
  }),
  "/v1/models/{id}": {
    get: {
      operationId: "showModel",
      summary: "Show a model.",
      tags: ["models"],
      parameters: [id],
      responses: { 200: { description: "The model.", content: json(ref("Model")) }, ...failures(401, 404) },
    },
  },
  "/v1/models/{id}/schema": {
    get: {
      operationId: "showModelSchema",
      summary: "Show the JSON Schema that a model's requests are judged by.",
      tags: ["models"],
      parameters: [id],
      responses: {
        200: { description: "JSON Schema, 2020-12.", content: { "application/schema+json": { schema: { type: "object" } } } },
        ...failures(401, 404),
      },
    },
  },
};

const picturePaths: Json = {
  "/images/{id}": {
    get: {
      operationId: "getPicture",
      summary: "Fetch a stored picture.",
      description: "Takes Range and If-None-Match.",
      tags: ["images"],
      security: [],
      parameters: [
        id,
        {
          name: "thumbnail",
          in: "query",
          description: "`true` for a small one, as WebP, whose longer side has 320 pixels.",
          schema: { enum: ["true"] },
        },
      ],
      responses: {
        200: { description: "The picture.", content: picture },
        206: { description: "The part of it that `Range` names.", content: picture },
        304: { description: "It is the one that `If-None-Match` names." },
        ...failures(404),
        416: { description: "`Range` is not within the picture.", content: json(ref("Error")) },
      },
    },
  },
};

const servicePaths: Json = {
  "/livez": service("live", "Whether the process lives.", { 200: { description: "It does.", content: json({ type: "object" }) } }),
  "/readyz": service("ready", "Whether a model can be served, and each channel's state.", {
    200: { description: "One can.", content: json({ type: "object" }) },
    503: { description: "None can.", content: json({ type: "object" }) },
  }),
  "/metrics": service("metrics", "The process in numbers, for Prometheus.", {
    200: { description: "Prometheus' text format.", content: { "text/plain": { schema: { type: "string" } } } },
  }),
};

/** A path that lists models; `description` is that of its answer. */
function listOf(item: string, { description, ...operation }: { operationId: string; summary: string; description: string }): Json {
  const list = { type: "object", properties: { object: { const: "list" }, data: { type: "array", items: ref(item) } } };
  return { get: { ...operation, tags: ["models"], responses: { 200: { description, content: json(list) }, ...failures(401) } } };
}

function service(operationId: string, summary: string, responses: Json): Json {
  return { get: { operationId, summary, tags: ["service"], security: [], responses: { ...responses, ...failures(405) } } };
}

/** Two ids never get the same name: what a name must not hold is written in hex, and so is the underscore that begins it. */
function componentName(id: string): string {
  return `model-${id.replaceAll(/[^A-Za-z0-9.-]/g, (char) => `_${char.charCodeAt(0).toString(16)}_`)}`;
}

/** A model's schema as a component: it stands in this document now, so its references do too. */
function component(id: string, schema: Json): Json {
  const rest = Object.fromEntries(Object.entries(schema).filter(([key]) => !["$defs", "$id", "$schema"].includes(key)));
  return {
    title: id,
    ...(JSON.parse(
      JSON.stringify(rest).replaceAll(
        /"\$ref":"(?:common\.json)?#?(\/[^"]*)?"/g,
        (_, pointer?: string) => `"$ref":"#/components/schemas/common${pointer ?? ""}"`,
      ),
    ) as Json),
  };
}
