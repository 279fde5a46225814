// The grammar of door files: how requests of another API are read and answered.
import { testSchema } from "./test-grammar.ts";
import { polarities } from "../picture/mask.ts";
import type { FromSchema, JsonSchema } from "../schema/from-schema.ts";
import { once } from "../schema/once.ts";
import { anything, closed, text } from "../schema/parts.ts";

const event = { type: ["object", "array"] } as const;

/** The events of a stream. */
export const eventNames = ["start", "alive", "partial", "picture", "end", "error"] as const;

const routeSchema = closed({
  operation: {
    enum: ["generate", "edit"],
    description: "The operation of a route that makes pictures. A request with images is always an edit.",
  },
  request: { type: "object", description: "The unified request: the fields of POST /v1/images/generations." },
  optional: {
    type: "array",
    items: { type: "string" },
    description: "Fields of `request` that are dropped and reported if the model does not take them; other such fields are refused.",
  },
  defaults: {
    type: "object",
    description:
      "Values of the body, by path, that mean no choice of the client: if no template reads them, they are dropped without a report.",
  },
  ignore: {
    type: "array",
    items: { type: "string" },
    description:
      "Fields of the body, by path, that do not concern the picture, such as a name under which the client stores it: they are dropped without a report.",
  },
  refuse: {
    type: "array",
    items: closed(
      { when: text("A condition."), message: text("What is wrong, and what would be right."), param: text("The client's field.") },
      ["when", "message"],
    ),
    description: "Requests that the door cannot honour.",
  },
  left_out: {
    type: "array",
    items: closed({ when: text("A condition."), field: text("The client's field.") }, ["when", "field"]),
    description: "Fields that `request` reads only in part if the condition holds; they are reported as dropped.",
  },
  mask: {
    if: { type: "string", not: { pattern: "\\$\\{" } },
    then: { enum: polarities },
    description:
      "The mark of the pixels that may change in the request's `mask`: `alpha` (transparency, when omitted), `white` or `black`. In a mask with transparent pixels every opaque pixel counts as white.",
  },
  stream: { type: ["boolean", "string"], description: "Whether the answer is a stream: true, or a condition. false when omitted." },
  answer: anything("The answer, as JSON."),
  accepted: anything("The answer where `request` says `async: true`: the pictures are made as a job, which a page with `job` shows."),
  events: {
    ...closed({
      start: { ...event, description: "Sent with the head of the answer." },
      alive: { ...event, description: "Sent every ten seconds while nothing else is; a comment when omitted." },
      partial: { ...event, description: "An unfinished picture." },
      picture: { ...event, description: "A picture." },
      end: { ...event, description: "Sent after all pictures." },
      error: { ...event, description: "The end of a stream that fails; the body of `errors` when omitted." },
    }),
    description:
      "The events of a stream: each is `{ data: ... }`, with its name as `event` where it has one, or a list of such. A text as `data` stands there as it is, everything else is JSON.",
  },
  page: anything("The answer of a route that makes no pictures, such as a list of models."),
  model: text("The id of the model that a page shows. If the client may use no such model, it gets the error for an unknown model."),
  job: text("The id of the job that a page shows. If the client has no such job, it gets the error `not_found`."),
  keep: {
    type: "object",
    additionalProperties: { type: "string" },
    description: "Values of a page's request that are kept for this client, by name; all routes of the door read them as `kept`.",
  },
});

const keyPlace = closed({
  header: text("The header that has the key."),
  match: text("A regular expression whose first group is the key, where the header holds more."),
  query: text("The parameter of the query that has the key; no log shows it."),
});

/** The grammar of a door file. */
export const doorSchema = closed(
  {
    description: text("One sentence about the API, and who speaks it."),
    enabled: { type: "boolean", description: "false closes it." },
    key: {
      type: "array",
      minItems: 1,
      items: {
        if: { type: "string" },
        then: { type: "string", enum: ["bearer", "basic"] },
        else: keyPlace,
      },
      description:
        "The places in which a client's key is looked for, in order: `bearer`, `basic` (the password, or the user name if it is empty), `{ header: x-key }`, `{ query: key }`. The gateway's own when omitted.",
    },
    camel_case: {
      type: "boolean",
      description: "Accepts names of the body in snake case too: `mime_type` is read as `mimeType`, the name that templates use.",
    },
    errors: {
      ...closed({ status: anything("The HTTP status, from 200 on; the error's own when omitted."), body: anything("The body, as JSON.") }, [
        "body",
      ]),
      description: "The answer to any error on the door's paths; OpenAI's shape when omitted.",
    },
    routes: {
      type: "object",
      minProperties: 1,
      additionalProperties: routeSchema,
      description:
        "What each path answers, by method and path. A part of a path may be a parameter: `POST /v1/models/{model}:draw`; `{model...}` may hold slashes. A query, as in `POST /draw?Action=Submit`, must be there.",
    },
    tests: { type: "array", items: testSchema, description: "The door's own tests, here or in `tests/doors/` under the same file name." },
  },
  ["description", "routes"],
);

/** The schema that a door file is judged by. */
export function doorFile(): JsonSchema {
  return once(doorSchema);
}

/** A route as it is written. */
export type WrittenRoute = FromSchema<typeof routeSchema>;
/** A door file as it is written. */
export interface WrittenDoor {
  description: string;
  enabled?: boolean;
  key?: ("bearer" | "basic" | { header?: string; query?: string; match?: string })[];
  camel_case?: boolean;
  errors?: { status?: unknown; body: unknown };
  routes: Record<string, WrittenRoute>;
  tests?: FromSchema<typeof testSchema>[];
}
