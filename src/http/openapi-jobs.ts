// Describes what outlives a connection: jobs, keys of requests, and what came of a request.
import { eventTypes } from "../ledger/deliveries.ts";
import { longestKey } from "./idempotency.ts";
import { failures, id, json } from "./openapi-parts.ts";
import { listOf, page, standing } from "./openapi-requests.ts";
import { answerHeaders, editForm, events, ref, type Json } from "./openapi-shapes.ts";

/** Headers of a request for pictures. */
export const orderHeaders: Json[] = [
  {
    name: "Idempotency-Key",
    in: "header",
    description:
      "Names the request: sent again with the same body it is ordered once, and answered with the same answer. A refusal, or an error after which nothing was made, frees the key.",
    schema: { type: "string", minLength: 1, maxLength: longestKey },
  },
  {
    name: "Prefer",
    in: "header",
    description:
      "`respond-async` makes the request a job, as `async: true` in the body does. With `wait=20` it is answered as late as after 20 seconds, with the pictures if they are there by then.",
    schema: { type: "string", examples: ["respond-async", "respond-async, wait=20"] },
  },
  {
    name: "pictor-webhook",
    in: "header",
    description:
      "The webhook that is told of a job's end, as `webhook` in the body: a name that the operator has set up for this key, or a URL where the key may name one.",
    schema: { type: "string" },
  },
];

const texts = (headers: Record<string, string>): Json =>
  Object.fromEntries(Object.entries(headers).map(([name, description]) => [name, { description, schema: { type: "string" } }]));

const kept: Json = {
  description: "The request is kept as a job.",
  headers: texts({
    location: "Where the job is shown.",
    "retry-after": "Seconds after which it is worth a look.",
    "preference-applied": "`respond-async`.",
    "idempotent-replayed": "`true` where the key named a job that was there.",
  }),
  content: json(ref("Job")),
};

const refused = failures(400, 401, 403, 404, 410, 413, 415, 422, 429, 500, 501, 502, 503, 504, 507);

/** Answers to a request for pictures. */
export const madeOrKept: Json = {
  200: {
    description: "The pictures; of a job that was over while its client waited, the job.",
    headers: answerHeaders,
    content: { ...json({ anyOf: [ref("Images"), ref("Job")] }), ...events },
  },
  202: kept,
  ...refused,
};

const job: Json = {
  type: "object",
  required: ["id", "object", "status"],
  properties: { id: { type: "string" }, object: { const: "image.job" }, ...standing },
};

/** The schemas of these answers. */
export const jobSchemas: Json = {
  Job: job,
  JobEvent: {
    type: "object",
    required: ["id", "object", "created_at", "type", "timestamp", "data"],
    properties: {
      id: { type: "string", description: "The same each time that the event is sent, as in `webhook-id`." },
      object: { const: "event" },
      created_at: { type: "integer", description: "Unix seconds of the job's end." },
      type: { enum: eventTypes },
      timestamp: { type: "string", format: "date-time", description: "The same moment." },
      data: {
        type: "object",
        required: ["id", "object", "status", "model", "created_at"],
        properties: {
          id: { type: "string", description: "The job's id; `GET /v1/images/jobs/{id}` has all of it." },
          object: { const: "image.job" },
          status: { enum: ["completed", "failed", "cancelled"] },
          model: { type: "string" },
          created_at: { type: "integer" },
          pictures: {
            type: "array",
            description: "Links to the pictures; absent where they would be too long.",
            items: {
              type: "object",
              properties: {
                url: { type: "string", format: "uri" },
                media_type: { type: "string" },
                width: { type: "integer" },
                height: { type: "integer" },
              },
            },
          },
          error: { type: "object", description: "As in any error." },
        },
      },
    },
  },
  JobList: listOf("Job"),
};

/** The events that a job's webhook receives, as OpenAPI's webhooks. */
export const jobEvents: Json = Object.fromEntries(
  eventTypes.map((type) => [
    type,
    {
      post: {
        operationId: type,
        summary: `A job is over: ${type.slice("image.job.".length)}.`,
        description: "Signed as Standard Webhooks 1.0.0 says. Any 2xx takes it; it comes at least once, each time with the same id.",
        tags: ["jobs"],
        security: [],
        parameters: ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) => ({
          name,
          in: "header",
          required: true,
          schema: { type: "string" },
        })),
        requestBody: { required: true, content: json(ref("JobEvent")) },
        responses: { 204: { description: "It is taken." }, 410: { description: "No more events are wanted." } },
      },
    },
  ]),
);

const jobStream: Json = {
  "text/event-stream": {
    schema: {
      type: "string",
      description:
        "`image.job.queued`, `image.job.in_progress`, and one of `image.job.completed`, `image.job.failed`, `image.job.cancelled` and `image.job.expired`, which is the last: their data are the job as it is then, with `type`. Between them the pictures of a job with `stream: true`, as in any stream, where the process that answers serves it. `error` ends a stream that breaks off. Comments keep it alive.",
    },
  },
};

/** Paths of jobs, and of requests whose answer came too late. `request` is the schema of a request for pictures. */
export function jobPaths(request: Json): Json {
  const show = (operationId: string, summary: string) => ({
    get: {
      operationId,
      summary,
      tags: ["jobs"],
      parameters: [id],
      responses: { 200: { description: "The job.", content: json(ref("Job")) }, ...failures(401, 404, 503) },
    },
  });
  const cancel = (operationId: string) => ({
    operationId,
    summary: "Cancel a job that is not over, also at its provider where that can be done.",
    tags: ["jobs"],
    parameters: [id],
    responses: { 200: { description: "The job as it is now.", content: json(ref("Job")) }, ...failures(401, 404, 503) },
  });
  const watch = (operationId: string) => ({
    get: {
      operationId,
      summary: "Show a job while it goes on.",
      tags: ["jobs"],
      parameters: [
        id,
        { name: "Last-Event-ID", in: "header", description: "The id of the last event that was read.", schema: { type: "string" } },
      ],
      responses: {
        200: { description: "Events until the job is over.", content: jobStream },
        204: { description: "The job is over, and `Last-Event-ID` says that this is known." },
        ...failures(401, 404, 503),
      },
    },
  });
  return {
    "/v1/images/generations/async": begin("createImageJob", "Make pictures as a job.", json(request)),
    "/v1/images/edits/async": begin("createImageEditJob", "Edit pictures as a job.", {
      "multipart/form-data": { schema: editForm },
      ...json(request),
    }),
    "/v1/images/jobs": {
      get: {
        operationId: "listJobs",
        summary: "List the client's own jobs, the newest first.",
        tags: ["jobs"],
        parameters: page,
        responses: {
          200: { description: "Jobs without their results.", content: json(ref("JobList")) },
          ...failures(400, 401, 404, 503),
        },
      },
    },
    "/v1/images/jobs/{id}": { ...show("showJob", "Show a job, with its pictures once they are there."), delete: cancel("deleteJob") },
    "/v1/images/jobs/{id}/events": watch("watchJob"),
    "/v1/images/jobs/{id}/cancel": { post: cancel("cancelJob") },
    "/v1/images/tasks/{id}": show("showImageTask", "The same as `/v1/images/jobs/{id}`."),
    "/v1/tasks/{id}": show("showTask", "The same as `/v1/images/jobs/{id}`."),
    "/v1/images/tasks/{id}/events": watch("watchImageTask"),
    "/v1/tasks/{id}/events": watch("watchTask"),
  };
}

function begin(operationId: string, summary: string, content: Json): Json {
  return {
    post: {
      operationId,
      summary,
      tags: ["jobs"],
      parameters: orderHeaders,
      requestBody: { required: true, content },
      responses: {
        200: { description: "The job, where it was over while its client waited.", content: json(ref("Job")) },
        202: kept,
        ...refused,
      },
    },
  };
}
