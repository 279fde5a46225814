// Describes the estimate of a request's cost.
import { failures, json } from "./openapi-parts.ts";
import { editForm, type Json } from "./openapi-shapes.ts";

/** A cost that is known as a span. */
export const cost: Json = {
  type: ["object", "null"],
  description: "In USD; null where nobody knows.",
  required: ["lowest", "highest"],
  properties: {
    lowest: { type: "number" },
    highest: { type: ["number", "null"], description: "Null where there is no bound." },
  },
};

/** The shape of both answers: the request, and `more`. */
const answerOf = (object: string, more: Json, channels: Json): Json => ({
  type: "object",
  required: ["object", "model", "operation", "n", ...Object.keys(more), "channels"],
  properties: {
    object: { const: object },
    model: { type: "string" },
    operation: { enum: ["generate", "edit"] },
    n: { type: "integer" },
    ...more,
    channels: {
      type: "array",
      description: "The channels that serve the model. One that cannot send this very request says why, in `refused`.",
      items: {
        type: "object",
        required: ["channel", "cost"],
        properties: { channel: { type: "string" }, cost, refused: { type: "object" }, ...channels },
      },
    },
  },
});

const providerRequest: Json = {
  type: "object",
  description: "For the operator. Keys are `***`, and of files it is said what they are.",
  properties: {
    method: { type: "string" },
    url: { type: "string" },
    headers: { type: "object" },
    body: {},
    after: { type: "array", items: { type: "number" }, description: "Of a poll: milliseconds before each of the first times." },
  },
};

const explanation = answerOf(
  "image.explanation",
  {},
  {
    changes: { type: "array", description: "Each change that is made to the request.", items: { type: "object" } },
    requests: { type: "array", items: providerRequest },
    polls: { type: "array", items: providerRequest },
  },
);

/** The paths of what is said beforehand; `request` is the schema of a generation's body. */
export function estimatePaths(request: Json): Json {
  const path = (operationId: string, summary: string, description: string, schema: Json) => ({
    post: {
      operationId,
      summary,
      tags: ["images"],
      requestBody: { required: true, content: { ...json(request), "multipart/form-data": { schema: editForm } } },
      responses: { 200: { description, content: json(schema) }, ...failures(400, 401, 403, 404, 413, 415) },
    },
  });
  return {
    "/v1/images/estimate": path(
      "estimateImage",
      "Say what a request would cost. Nothing is ordered.",
      "The cost, over all channels that could serve it and on each.",
      answerOf("image.estimate", { cost }, {}),
    ),
    "/v1/images/explain": path(
      "explainImage",
      "Say what would become of a request. Nothing is ordered.",
      "The changes and the cost on each channel, and the provider's requests for the operator.",
      explanation,
    ),
  };
}
