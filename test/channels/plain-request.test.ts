// A schema is tried with the plainest request when it is loaded, so that no client is the first to do so.
import { channel, eachIsTold } from "./mistakes.ts";

const refused = (message: string) => [
  `channels/models/z.json:1:1: schema of z: it refuses { model, prompt }, the plainest request: ${message}`,
];
const told = (name: string, schema: object, expected: string[]) => ({
  name,
  files: { "x.yaml": channel, "models/z.json": JSON.stringify({ type: "object", unevaluatedProperties: false, ...schema }) },
  expected,
});
const allOf = [{ $ref: "common.json" }];

describe("a schema that refuses the plainest request", () => {
  eachIsTold([
    told("since it knows no prompt", { properties: { model: { type: "string" } } }, refused("unknown parameter: prompt (known: model)")),
    told(
      "since its own default breaks its own rule",
      { allOf, properties: { n: { type: "integer", maximum: 2, default: 4 } } },
      refused("n must be at most 2, not 4"),
    ),
    told(
      "and one that only wants more, such as an image, is in order",
      { allOf, properties: { image: { type: "string" } }, required: ["image"] },
      [],
    ),
    told(
      "and one that only changes pictures need know no prompt",
      { "x-operations": ["edit"], properties: { model: { type: "string" }, image: { type: "string" } } },
      [],
    ),
  ]);
});
