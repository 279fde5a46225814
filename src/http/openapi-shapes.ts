// JSON Schemas of the interface's answers and forms.
import { errorStatus } from "../errors.ts";
import { countBills, tokenBills } from "../money/lines.ts";

export type Json = Record<string, unknown>;

export const answerHeaders: Json = Object.fromEntries(
  Object.entries({
    "x-request-id": "The request's id, for support.",
    "x-pictor-channel": "The channel that answered.",
    "x-pictor-attempts": "The channels that were tried, and how each ended.",
    "idempotent-replayed": "`true` where the request was sent before and its own answer is given again.",
    "x-pictor-changes": "What the gateway did to the request, where it did anything.",
    "x-pictor-cost":
      "What the request cost, in USD, with the most that it can have cost where nobody knows; absent where the price is not known, or the answer began before it was.",
    deprecation: "Of a model that its provider advises against: `@` and the Unix seconds from which it does (RFC 9745).",
    sunset: "Of a model that its provider shuts down: when (RFC 8594).",
    "x-should-retry": "Of an error: whether the same request may be sent again at once. OpenAI's SDKs obey it.",
  }).map(([name, description]) => [name, { description, schema: { type: "string" } }]),
);

const binary: Json = { type: "string", format: "binary" };

/** Texts say everything in words; the model's schema says what they mean. */
export const editForm: Json = {
  type: "object",
  required: ["model", "prompt", "image"],
  properties: {
    model: { type: "string" },
    prompt: { type: "string" },
    image: { type: "array", items: binary, description: "The pictures to start from, each a part named `image` or `image[]`." },
    mask: { ...binary, description: "Where the first picture may change: its transparent pixels." },
  },
  additionalProperties: { type: "string", description: "Any other field of the model." },
};

export const picture: Json = { "image/*": { schema: { type: "string", format: "binary" } } };

export const events: Json = {
  "text/event-stream": {
    schema: {
      type: "string",
      description:
        "With `stream: true`: events named as the `type` of their data. `image_generation.partial_image` holds an unfinished picture with `partial_image_index`, `image_generation.completed` a finished one, as `b64_json` or `url`, with `created_at`, `size`, `quality`, `background`, `output_format`; the last has `usage` and `metadata`. Where several calls were made for one request, whose events come mixed, `call` counts them from 0. `image_generation.failed` stands in its place where the last picture failed after the others were sent; `error` ends a stream that failed. The names of an edit's begin with `image_edit`. Comments keep it alive.",
    },
  },
};

export const images: Json = {
  type: "object",
  required: ["created", "data"],
  properties: {
    created: { type: "integer", description: "Unix seconds." },
    data: {
      type: "array",
      items: {
        type: "object",
        properties: {
          url: { type: "string", format: "uri" },
          b64_json: { type: "string", contentEncoding: "base64" },
          revised_prompt: { type: "string" },
          metadata: { type: "object", description: "The provider's words about this picture alone, such as its seed." },
        },
      },
    },
    usage: {
      type: "object",
      description: "As the provider counts. `cost` is what the request cost, in USD; absent where nobody knows it.",
      properties: { cost: { type: "number", minimum: 0 } },
    },
    size: { type: "string" },
    quality: { type: "string" },
    output_format: { type: "string" },
    background: { type: "string" },
    metadata: { type: "object", description: "The provider's, and in `pictor.changes` all that the gateway did to the request." },
  },
};

export const error: Json = {
  type: "object",
  required: ["error"],
  properties: {
    error: {
      type: "object",
      required: ["message", "type", "param", "code"],
      properties: {
        message: { type: "string", description: "What was wrong, and what would be right." },
        type: { type: "string" },
        param: { type: ["string", "null"], description: "The field that was wrong." },
        code: { type: ["string", "null"], examples: Object.keys(errorStatus) },
      },
    },
  },
};

export const model: Json = {
  type: "object",
  required: ["id", "object"],
  properties: {
    id: { type: "string" },
    object: { const: "model" },
    created: { type: "integer", description: "Unix seconds." },
    owned_by: { type: "string" },
    shutdown_date: { type: "string", format: "date", description: "The day on which its provider shuts it down, where that is known." },
    type: { const: "image" },
    operations: { type: "array", items: { enum: ["generate", "edit"] }, description: "What the model can be asked for." },
    architecture: {
      type: "object",
      properties: Object.fromEntries(
        ["input_modalities", "output_modalities"].map((name) => [name, { type: "array", items: { enum: ["text", "image"] } }]),
      ),
    },
    limits: {
      const: "unknown",
      description: "There where nobody described the model: only the common fields are judged, and the rest is passed on.",
    },
  },
};

const day = { type: "string", format: "date" };
const texts: Json = { type: "array", items: { type: "string" } };

const price: Json = {
  type: ["object", "null"],
  required: ["words", "units"],
  properties: {
    words: { type: "string", description: "The price of what is made, in words: `0.03 to 0.1 USD a picture`." },
    units: {
      type: "array",
      items: {
        type: "object",
        properties: {
          bill: { enum: [...countBills, ...tokenBills] },
          per: { enum: [1, 1_000_000], description: "How many of the unit the amounts are for." },
          lowest: { type: "number", minimum: 0 },
          highest: { type: "number", minimum: 0 },
          scaled: { const: true, description: "Where a request multiplies the amounts, as its steps may." },
        },
      },
      description: "Every unit that is billed, of input too, in USD; empty where only the provider's answers say what a call cost.",
    },
  },
  description: "The price that the operator's files have for it; null where they have none, which is not free.",
};

export const matrixRow: Json = {
  type: "object",
  properties: {
    id: { type: "string" },
    channels: {
      type: "array",
      items: { type: "object", properties: { name: { type: "string" }, price, deprecated: day, shutdown_date: day } },
      description: "The channels that serve it, the one that is asked first at the top.",
    },
    operations: { type: "array", items: { enum: ["generate", "edit"] } },
    input_images: { type: "integer", description: "Input images of an edit, at most." },
    mask: { type: "boolean", description: "Whether an edit takes a mask." },
    n: { type: "object", properties: { min: { type: "integer" }, max: { type: "integer" } } },
    size: {
      type: "object",
      properties: { words: { type: "string" }, values: texts, pixels: { type: "object" }, default: { type: "string" } },
      description: "The sizes that are taken: those of `values`, or any that keeps the rules of `pixels`; any where both are absent.",
    },
    ...Object.fromEntries(
      ["qualities", "formats", "backgrounds"].map((name) => [
        name,
        { ...texts, description: "What can be asked for; empty where nothing can, absent where anything can." },
      ]),
    ),
    prompt: { type: "integer", description: "Characters of a prompt, at most; without bound when absent." },
    streams: {
      type: "boolean",
      description: "Whether a provider of it streams. Every model answers with events where they are asked for.",
    },
    fields: { ...texts, description: "Fields of its own, beside those that all models share." },
    deprecated: { ...day, description: "The day from which all its providers advise against it." },
    shutdown_date: { ...day, description: "The day on which the last of its providers shuts it down." },
    instead: { type: "string", description: "The model that takes its place." },
    limits: { const: "unknown", description: "There where nobody described the model." },
  },
};

/** A reference to one of the description's schemas. */
export function ref(name: string): Json {
  return { $ref: `#/components/schemas/${name}` };
}
