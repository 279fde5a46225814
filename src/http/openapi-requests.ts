// Describes the rows of requests, and what lists have in common.
import { costSources } from "../money/cost.ts";
import { failures, id, json } from "./openapi-parts.ts";
import { ref, type Json } from "./openapi-shapes.ts";
import { largestPage, usualPage } from "./paging.ts";
import { statusNames } from "./requests.ts";

/** A parameter of the query. */
export const query = (name: string, description: string, schema: Json = { type: "string" }): Json => ({
  name,
  in: "query",
  description,
  schema,
});

/** Parameters of a page of a list. */
export const page: Json[] = [
  query("limit", "How many at most.", { type: "integer", minimum: 1, maximum: largestPage, default: usualPage }),
  query("after", "The id of the last one of the page before."),
];

const requestFilters: Json[] = [
  query("status", "`uncertain` is a part of `failed`: a picture may have been made and paid for.", { enum: statusNames }),
  query("model", "Only of this model."),
  query("channel", "Only those whose last channel was this one."),
  query("trace_id", "Only those of this trace."),
  query("since", "From then on: Unix seconds, or a date."),
  query("until", "Before then: Unix seconds, or a date."),
  query("client", "Only of this client; for the operator."),
  ...page,
];

/** Members that a request and a job share. */
export const standing = {
  status: {
    enum: ["queued", "in_progress", "completed", "failed", "cancelled", "expired"],
    description: "`expired`: it was completed, and its pictures are no longer kept.",
  },
  model: { type: "string" },
  created_at: { type: "integer", description: "Unix seconds." },
  expires_at: { type: "integer", description: "Unix seconds from which nothing is known of it." },
  progress: {
    type: "integer",
    minimum: 0,
    maximum: 100,
    description: "How much of it is done, in percent, while it is in progress and where its provider says so.",
  },
  channel: { type: "string", description: "The channel that was asked last." },
  attempts: { type: "string", description: "The channels that were tried, and how each ended." },
  result: { ...ref("Images"), description: "The answer that it would have had, with each picture as a URL." },
  error: { type: "object", description: "What it failed with, as in any error." },
};

/** A page of a list. */
export function listOf(name: string): Json {
  return {
    type: "object",
    properties: {
      object: { const: "list" },
      data: { type: "array", items: ref(name) },
      has_more: { type: "boolean" },
      last_id: { type: ["string", "null"], description: "What `after` takes for the next page." },
    },
  };
}

/** The schemas of these answers. */
export const requestSchemas: Json = {
  Request: {
    type: "object",
    properties: {
      id: { type: "string", description: "The `x-request-id` of its answer." },
      object: { const: "request" },
      ...standing,
      uncertain: { const: true, description: "It failed, and a picture may have been made and paid for." },
      job: { const: true },
      repeats: { type: "string", description: "The request whose outcome this one was given." },
      client: { type: "string", description: "Whose it is; for the operator." },
      operation: { enum: ["generate", "edit"] },
      started_at: { type: "integer", description: "Unix seconds at which it was given to a channel." },
      ended_at: { type: "integer" },
      seconds: { type: "number", description: "From its beginning to its end." },
      http_status: { type: "integer", description: "Of its answer; 499 where its client had gone." },
      n: { type: "integer", description: "Pictures asked for." },
      made: { type: "integer", description: "Pictures made." },
      pictures: {
        type: "array",
        items: {
          type: "object",
          properties: {
            url: { type: "string" },
            media_type: { type: "string" },
            width: { type: "integer" },
            height: { type: "integer" },
            bytes: { type: "integer" },
          },
        },
      },
      usage: { type: "object" },
      cost: { type: "number", description: "What the request cost, in USD; absent where nobody knows." },
      cost_from: { enum: costSources, description: "How the cost was found." },
      changes: { type: "array", description: "What the gateway had to change." },
      trace_id: { type: "string", description: "The trace that its `traceparent` named, or that the gateway began for its spans." },
    },
  },
  RequestList: {
    ...listOf("Request"),
    description: "`scope` is `own` for a client, and `all` for the operator.",
  },
};

/** Paths of what came of requests. */
export const requestPaths: Json = {
  "/v1/requests": {
    get: {
      operationId: "listRequests",
      summary: "List the client's own requests, the newest first; to the operator those of all.",
      tags: ["jobs"],
      parameters: requestFilters,
      responses: {
        200: { description: "Requests without their results.", content: json(ref("RequestList")) },
        ...failures(400, 401, 404, 503),
      },
    },
  },
  "/v1/requests/{id}": {
    get: {
      operationId: "showRequest",
      summary: "Show what came of a request; of a job, of one with a key and of one that got a 504 also the pictures.",
      tags: ["jobs"],
      parameters: [id],
      responses: { 200: { description: "The request.", content: json(ref("Request")) }, ...failures(401, 404, 503) },
    },
  },
};
