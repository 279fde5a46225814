// Describes the operator's view of channels.
import { cost } from "./openapi-estimate.ts";
import { failures, json } from "./openapi-parts.ts";
import type { Json } from "./openapi-shapes.ts";

const model: Json = {
  type: "object",
  properties: {
    id: { type: "string" },
    operations: { type: "array", items: { enum: ["generate", "edit"] } },
    price: { ...cost, description: "One picture as it usually is, in USD; null where nobody knows." },
    deprecated: { type: "string" },
    shutdown_date: { type: "string" },
    instead: { type: "string" },
    completed: { type: "integer", description: "Requests of the last day that ended here with pictures." },
    failed: { type: "integer", description: "Those that ended here without." },
    seconds: { type: "number", description: "What a completed one took on average." },
  },
};

const channel: Json = {
  type: "object",
  properties: {
    name: { type: "string" },
    state: { enum: ["on", "off", "resting", "broken"] },
    reason: { type: "string" },
    file: { const: "broken", description: "Its file is broken, and its last good version serves." },
    resting: {
      type: "array",
      description: "The parts of it that are in a cool-down.",
      items: { type: "object", properties: { what: { type: "string" }, seconds: { type: "integer" } } },
    },
    in_flight: { type: "integer", description: "Attempts under way in the process that answers." },
    waiting: { type: "integer", description: "Requests that wait for a slot there." },
    models: { type: "array", items: model },
  },
};

const operators: Json[] = [{ operator: [] }];

/** The paths of the operator's view of channels. */
export const channelPaths: Json = {
  "/admin/channels": {
    get: {
      operationId: "listChannels",
      summary: "Show each channel: its state, its models, their prices and how their requests ended.",
      tags: ["operator"],
      security: operators,
      responses: {
        200: {
          description: "The channels by name, and what is wrong in the operator's files.",
          content: json({
            type: "object",
            properties: {
              object: { const: "list" },
              data: { type: "array", items: channel },
              problems: { type: "array", items: { type: "string" } },
            },
          }),
        },
        ...failures(401, 503),
      },
    },
  },
  "/admin/channels/{name}/clear": {
    post: {
      operationId: "clearChannel",
      summary: "Lift the cool-downs of a channel, its models and its keys.",
      tags: ["operator"],
      security: operators,
      parameters: [{ name: "name", in: "path", required: true, schema: { type: "string" } }],
      responses: { 200: { description: "They are lifted.", content: json({ type: "object" }) }, ...failures(401, 404) },
    },
  },
};
