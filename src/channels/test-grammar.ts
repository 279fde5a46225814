// The grammar of the tests of a channel.
import { methods } from "../dialect/call.ts";
import { costSources } from "../money/cost.ts";
import type { FromSchema } from "../schema/from-schema.ts";
import { closed, each, text } from "../schema/parts.ts";

const event = closed({ event: { type: "string" }, data: {} }, ["data"]);

const exchange = closed(
  {
    expect: {
      type: "object",
      description:
        "The provider's view: a method with its path, or the whole URL where the call goes to another host than `base_url`; `headers` (at least these; null means absent), and `json`, `form` or `multipart` (exactly this). In a text, `*` stands for anything unless it is between two digits.",
      additionalProperties: false,
      properties: {
        ...each(methods, () => text("The path, or the whole URL on another host.")),
        headers: { type: "object", additionalProperties: { type: ["string", "null"] } },
        json: {},
        form: { type: "object" },
        multipart: { type: "object" },
      },
      minProperties: 1,
    },
    reply: closed({
      status: { type: "integer", minimum: 100, maximum: 599 },
      headers: { type: "object" },
      json: {},
      text: { type: "string" },
      base64: { type: "string", description: "Bytes." },
      sse: { type: "array", items: event, description: "A stream of events." },
      cut: { type: "boolean", description: "Break the connection in the middle of the body." },
      hang_up: {
        const: true,
        description:
          "The client hangs up in place of a reply. Such a test has no `answer`; what is expected after it is a call of `cancel`.",
      },
    }),
  },
  ["expect", "reply"],
);

/** A call that a test expects of the gateway, and the provider's reply. A header that is null must be absent. */
export type Exchange = FromSchema<typeof exchange>;

const test = closed(
  {
    name: text("What the test shows, as a sentence."),
    request: { type: "object", description: "What the client sends to /v1/images/generations." },
    edit: {
      type: "object",
      description:
        "What the client sends to /v1/images/edits, in place of `request`; images as `${png(8, 8)}` or URLs, a mask as `${mask(8, 8)}`.",
    },
    exchange: { type: "array", items: exchange, description: "Every call to the provider, with its reply." },
    answer: closed(
      {
        status: { type: "integer" },
        headers: { type: "object" },
        cost: { type: "number", description: "What the request cost, in USD." },
        cost_from: { enum: costSources, description: "How that was found; `unpriced` where nobody knows it." },
        json: { description: "At least this; `*` as in `expect`." },
        events: {
          type: "array",
          items: { type: "object" },
          description: "The data of every event, at least this, where `stream` is asked for.",
        },
      },
      ["status"],
    ),
  },
  ["name"],
);

/** The schema of a test. */
export const testSchema = { ...test, oneOf: [{ required: ["request"] }, { required: ["edit"] }] } as const;
/** A test of a channel, as it is written. */
export type WrittenTest = FromSchema<typeof test>;

/** A file of nothing but tests. */
export const testsFile = closed({ tests: { type: "array", items: testSchema } }, ["tests"]);
