// Declares the keys of `gateway.yaml` as JSON Schema.
import { duration } from "../dialect/duration.ts";
import { keyName, keyOptions, names, positive, secret } from "../http/key-options.ts";
import { eventTypes } from "../ledger/deliveries.ts";

const closed = <P extends object>(properties: P, more: object = {}) => ({
  type: "object",
  additionalProperties: false,
  properties,
  ...more,
});

/** JSON Schema of `gateway.yaml`. Its reference is written from it. */
export const gatewayFileSchema = closed({
  keys: {
    type: "array",
    description: "The clients' keys, beside those of `PICTOR_API_KEYS`.",
    items: closed(
      {
        name: keyName,
        key: {
          type: "string",
          minLength: 1,
          description: '`${env.NAME}`, `${file("/run/secrets/name")}`, or `sha256:` and the key\'s hash in hex.',
        },
        ...keyOptions,
      },
      { required: ["name", "key"] },
    ),
  },
  webhooks: {
    type: "array",
    description: "Receivers of events, which jobs name.",
    items: closed(
      {
        name: {
          type: "string",
          title: "a name of letters, digits, dots, dashes and underscores, such as orders",
          pattern: "^[A-Za-z0-9][A-Za-z0-9._-]*$",
          maxLength: 64,
          description: "The name by which jobs name it; metrics and the log have it.",
        },
        url: {
          type: "string",
          minLength: 1,
          description: "Where events are sent, such as `https://shop.example/hooks/pictures`, or `${env.NAME}`.",
        },
        secret: {
          ...secret,
          description: 'Signs its events: `${env.NAME}`, or `${file("/run/secrets/name")}`, of `whsec_` and the base64 of 24 to 64 bytes.',
        },
        previous_secret: { ...secret, description: "Signs them too, while it is replaced." },
        events: {
          type: "array",
          minItems: 1,
          items: { enum: eventTypes },
          description: "The events that it gets; all when omitted.",
        },
        private_url: { type: "boolean", description: "Whether it may be at a private address." },
      },
      { required: ["name", "url", "secret"] },
    ),
  },
  default_model: { type: "string", minLength: 1, description: "The model of requests that name none; they are refused when omitted." },
  fallback: {
    type: "object",
    additionalProperties: names("The models that may stand in for this one."),
    description: "For a model, those that may stand in for it, in this order, where none of its channels can serve a request.",
  },
  cost_header: {
    type: "string",
    title: "the name of a header, such as x-cost",
    pattern: "^[A-Za-z0-9][A-Za-z0-9-]*$",
    description:
      "A header that has the cost of a request in USD too, for the gateway in front that reads it, such as `x-response-cost`. Answers that are no streams wait for the bill then, and begin once the picture is here whole.",
  },
  routing: closed(
    {
      sharing: {
        enum: ["weight", "least_in_flight"],
        description:
          "How channels of one priority share the requests: in proportion to their `weight` (when omitted), or to the one with the least under way for it.",
      },
      timeout: {
        ...duration,
        description: "The longest that a request may take, over all attempts and waits; as long as these may when omitted.",
      },
      answer_within: {
        ...duration,
        description:
          "The longest that a client waits for an answer that is no stream; `280s` when omitted, since many clients and proxies give up at 300. A client that names a shorter time of its own, as OpenAI's SDKs can, is answered just before that. A request that takes longer is answered with 504 and goes on: `GET /v1/requests/{id}` gives its picture once it is there.",
      },
      repeat_within: {
        ...duration,
        description:
          "For how long the outcome of a request that may have been paid for is given again to a client that repeats it, without a new order; `15s` when omitted, and up to ten times as long for one that goes on repeating with growing pauses. A new `Idempotency-Key` orders at once.",
      },
      keep_after_hangup: {
        enum: ["always", "never"],
        description:
          "Whether a request goes on whose client hangs up. When omitted one with an `Idempotency-Key` does, and one of an SDK that counts its retries for the 15 s in which the retry comes; any other is cancelled. With `always` each goes on to its end, and `GET /v1/requests` shows its pictures, which are all kept; with `never` none goes on but jobs.",
      },
    },
    { description: "How requests find their channel." },
  ),
  ledger: closed(
    {
      keep: { ...duration, description: "For how long the row of a request is kept; `744h` when omitted, a month of 31 days." },
      keep_answers: {
        ...duration,
        description:
          "For how long an `Idempotency-Key` is known, and its answer can be given again; `24h` when omitted. Its pictures are kept in the store as long.",
      },
    },
    { description: "How long is remembered what was asked and made." },
  ),
  jobs: closed(
    {
      at_once: {
        ...positive,
        description: "Jobs under way at once, for each process; `200` when omitted. The others wait as rows of the ledger.",
      },
    },
    { description: "How many jobs are served." },
  ),
  server: closed(
    {
      headers_timeout: {
        ...duration,
        description: "The longest that a request's head may take, from the connection on; `15s` when omitted.",
      },
      body_timeout: { ...duration, description: "The longest that a whole request may take to arrive; `10m` when omitted." },
      body_idle: { ...duration, description: "The longest that a body may stand still; `30s` when omitted." },
      answer_idle: {
        ...duration,
        description:
          "The longest that a client may leave waiting what is there of its answer; it must take 1 KB a second on average over this time. `30s` when omitted.",
      },
      connections: { ...positive, description: "Connections at once, for each process; no limit when omitted." },
    },
    { description: "What a connection may take." },
  ),
});
