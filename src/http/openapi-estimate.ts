// Describes the estimate of a request's cost.
import { failures, json } from "./openapi-parts.ts";
import { editForm, type Json } from "./openapi-shapes.ts";

const cost: Json = {
  type: ["object", "null"],
  description: "In USD; null where nobody knows.",
  required: ["lowest", "highest"],
  properties: {
    lowest: { type: "number" },
    highest: { type: ["number", "null"], description: "Null where there is no bound." },
  },
};

const estimate: Json = {
  type: "object",
  required: ["object", "model", "operation", "n", "cost", "channels"],
  properties: {
    object: { const: "image.estimate" },
    model: { type: "string" },
    operation: { enum: ["generate", "edit"] },
    n: { type: "integer" },
    cost,
    channels: {
      type: "array",
      description: "The channels that serve the model. One that cannot send this very request says why, in `refused`.",
      items: {
        type: "object",
        required: ["channel", "cost"],
        properties: { channel: { type: "string" }, cost, refused: { type: "object" } },
      },
    },
  },
};

/** The path of estimates; `request` is the schema of a generation's body. */
export function estimatePath(request: Json): Json {
  return {
    post: {
      operationId: "estimateImage",
      summary: "Say what a request would cost. Nothing is ordered.",
      tags: ["images"],
      requestBody: { required: true, content: { ...json(request), "multipart/form-data": { schema: editForm } } },
      responses: {
        200: { description: "The cost, over all channels that could serve it and on each.", content: json(estimate) },
        ...failures(400, 401, 403, 404, 413, 415),
      },
    },
  };
}
