// The grammar of the tests of a door.
import { methods } from "../dialect/call.ts";
import type { FromSchema } from "../schema/from-schema.ts";
import { closed, each, text } from "../schema/parts.ts";

/** The schema of a test of a door. */
export const testSchema = closed(
  {
    name: text("What the test shows, as a sentence."),
    models: {
      type: "object",
      additionalProperties: { type: "string" },
      description:
        "The models that there are, each with its schema, the first the default; the one of `request` with the schema `open` when omitted.",
    },
    client: {
      ...closed({
        ...each(methods, () => text("The path with its query.")),
        headers: {
          type: "object",
          additionalProperties: { type: ["string", "null"] },
          description:
            "More headers; null takes away the key, which stands in `authorization` when nothing else is said. `${key}` is a key that is good.",
        },
        json: {},
      }),
      description: "What the client sends.",
    },
    before: {
      type: "array",
      items: { type: "object" },
      description: "Requests of the same client before this one, as `client`; nothing is expected of them.",
    },
    request: {
      type: "object",
      description: "The unified request that is expected, exactly, images as data URIs. Without it nothing may be ordered.",
    },
    result: { type: "object", description: "The provider's answer to it, in OpenAI's shape: `data`, `usage` and the like." },
    stream: {
      type: "array",
      items: { type: "object" },
      description: "The provider's answer as events, in OpenAI's shape, in place of `result`.",
    },
    failure: closed({ status: { type: "integer" }, json: {} }, ["status"]),
    answer: closed(
      {
        status: { type: "integer" },
        headers: { type: "object" },
        json: { description: "Members that the answer must have; `*` matches anything." },
        events: { type: "array", items: {}, description: "The data of every event, compared like `json`; a text if the data is not JSON." },
      },
      ["status"],
    ),
  },
  ["name", "client", "answer"],
);

/** A test of a door as it is written. */
export type DoorTest = FromSchema<typeof testSchema>;

/** A file of nothing but a door's tests. */
export const doorTestsFile = closed({ tests: { type: "array", items: testSchema } }, ["tests"]);
