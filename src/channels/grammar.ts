// Declares the keys of a channel file as JSON Schema.
import { failureClasses, thens } from "../errors.ts";
import { methods } from "../dialect/call.ts";
import { facts } from "../dialect/result.ts";
import { authSchema } from "../net/auth/spec.ts";
import type { Plugin } from "../plugin/define.ts";
import { anything, closed, text, type Schema } from "./schema-parts.ts";
import { test } from "./test-grammar.ts";

export const duration = { type: "string", title: "a duration; write 500ms, 90s, 10m or 1h", pattern: "^[0-9]+(ms|s|m|h)$" };

const ruleParts: Record<string, Schema> = {
  when: text("A condition over `status`, `headers` and `body`: `status == 402`."),
  class: {
    enum: failureClasses,
    description: "What it means. The class decides the client's answer and whether another channel is tried.",
  },
  message: text("What the client is told; the usual places of a message when omitted."),
  code: text("The code the client is told, where the provider judged the request."),
  param: text("The field that was wrong."),
  retry_after: { type: ["string", "integer"], description: "Seconds to wait." },
};

const rule = closed(
  {
    ...ruleParts,
    then: {
      enum: thens,
      description:
        "What comes next where the class's own rule does not fit. `fail`: the request is over, also where a poll would be asked again. The others say that nothing was made: `retry` the same key (a poll is asked again), `next_key`, or `next_channel`.",
    },
  },
  { required: ["when", "class"] },
);

/** The meaning of one element of a list. The order has been placed, so no other attempt follows. */
const itemRule = closed(ruleParts, { required: ["when", "class"] });

// Nothing is required below: a model may have a part of an operation anew. What is left out in the end is told by the compiler.
const callParts = {
  ...Object.fromEntries(
    methods.map((method) => [method, text(`The path of a ${method.toUpperCase()}, put behind base_url, or a whole URL.`)]),
  ),
  query: { type: "object", description: "Parameters of the query." },
  headers: { type: "object", description: "Headers beside the key's." },
  json: anything("The body, written as the YAML it becomes."),
  multipart: { type: "object", description: "The body as a form of parts: texts, `$file` and `$json`; a list repeats its part." },
  form: { type: "object", description: "The body as an urlencoded form." },
};

const call = (description: string): Schema => ({ ...closed(callParts), description });

const states = (description: string): Schema => ({ type: "array", items: { type: ["string", "integer", "boolean"] }, description });

const every = {
  description: "How long to wait before each poll: `2s`, or growing: `{ first: 500ms, grow: 1.5, max: 5s }`.",
  type: ["string", "object"],
  if: { type: "string" },
  then: duration,
  else: closed({
    first: { ...duration, description: "Before the first poll." },
    grow: { type: "number", minimum: 1, description: "How much longer each wait is than the one before." },
    max: { ...duration, description: "The longest wait." },
  }),
};

const poll = closed({
  ...callParts,
  when: text("A condition over the submission's answer: polled only if it holds."),
  every,
  state: text("The task's state: `${body.status}`, or `${status}` where the HTTP status tells it."),
  pending: states("States that are waited on. So is one that no list names, with a warning."),
  done: states("States of a task that is finished."),
  refused: states("States of a task that the moderation refused."),
  failed: states("States of a task that failed."),
  message: text("What is told of a task that was refused or failed."),
});

const resultParts: Record<string, Schema> = {
  when: text("This form of the result is meant if the condition holds."),
  from: call("A further call whose answer holds the pictures."),
  bytes: { type: "boolean", description: "The body is the picture." },
  images: text("The list of pictures: `${body.data}`."),
  url: text("One picture's URL: `${image.?url}`, or put together: `/view?name=${image.name}`."),
  relative: { type: "boolean", description: "URLs may be relative to base_url; one that begins with / is so to its host." },
  base64: text("One picture's base64: `${image.?b64_json}`."),
  revised_prompt: text("What the provider made of the prompt."),
  each_error: {
    type: "array",
    items: itemRule,
    description: "When one element of the list is a failure instead of a picture; the first match wins.",
  },
  metadata: anything("What is handed on in the answer's metadata."),
  ...Object.fromEntries(facts.map((fact) => [fact, anything(`The answer's \`${fact}\`.`)])),
};

const result = { type: ["object", "array"], additionalProperties: false, properties: resultParts, items: closed(resultParts), minItems: 1 };

const eventParts = Object.fromEntries(Object.entries(resultParts).filter(([name]) => !["from", "bytes"].includes(name)));
const layers = Object.fromEntries(Object.entries(callParts).filter(([name]) => !methods.some((method) => method === name)));

const stream = closed({
  request: { ...closed(layers), description: "Laid over the submission: `json: { stream: true }`." },
  partial: {
    ...closed({ ...eventParts, index: text("Its place among the unfinished ones; counted when omitted.") }),
    description: "The events with an unfinished picture, by `when`; what is not said here is as in `result`.",
  },
  result: {
    ...result,
    properties: eventParts,
    items: closed(eventParts),
    description:
      "The events with a finished picture, by `when`: `event` is the event's name, `body` its data. A form without `url` and `base64` tells of the whole.",
  },
});

const operation = closed({
  before: {
    type: "object",
    additionalProperties: {
      ...closed({
        ...callParts,
        when: text("A condition over the request: the call is made only if it holds."),
        each: text("A list, `${request.images}`: one call for each `item`, and a list of answers."),
      }),
      description: "One call.",
    },
    description: "Calls made before the submission, by name: `${before.upload.id}`, with `each` `${before.upload[0].id}`.",
  },
  request: call("The submission."),
  success: text("A condition over a 2xx answer; when it does not hold, the answer is a failure."),
  poll: { ...poll, description: "How to wait where the provider answers with a task." },
  cancel: call("Made when nobody waits for the task any more."),
  result: { ...result, description: "Where the pictures are in the answer; a list has one form for each kind of answer." },
  stream: { ...stream, description: "How the provider is asked for a stream, and what its events say, where the client wants one." },
});

const limit = {
  concurrency: { type: "integer", minimum: 1, description: "Requests that run at once; without bound when omitted." },
  images_per_minute: { type: "integer", minimum: 1, description: "Pictures asked for in a minute; without bound when omitted." },
};

/** The keys that a model may have anew. */
const overridable = (plugins: ReadonlyMap<string, Plugin>): Record<string, Schema> => ({
  plugins: { type: "array", description: "The pipeline, outermost first.", items: pluginItem(plugins) },
  unsupported: {
    enum: ["drop", "reject"],
    description: "What becomes of a field that nothing here uses: dropped and reported (when omitted), or refused.",
  },
  limits: closed({
    timeout: {
      ...duration,
      description: "The longest an attempt may take, without downloading and converting the pictures that are made; 10m when omitted.",
    },
    connect: { ...duration, description: "The longest to reach the provider; 10s when omitted." },
    first_byte: { ...duration, description: "The longest until an answer begins; as long as the attempt when omitted." },
    ...limit,
    queue: {
      type: "integer",
      minimum: 0,
      description: "Requests that wait in line where `concurrency` is reached; 100 when omitted. The next gets a 429.",
    },
    queue_timeout: { ...duration, description: "The longest a request waits in line; 1m when omitted." },
    per_key: { ...closed(limit), description: "Limits of each key." },
  }),
  priority: { type: "integer", description: "Channels with a lower number are asked first; 0 when omitted." },
  weight: {
    type: "number",
    exclusiveMinimum: 0,
    description: "Its share of the requests among the channels of the same priority; 1 when omitted.",
  },
  retry: closed({
    unsafe: {
      type: "boolean",
      description: "true asks another channel also where this one may have made a picture: it may be paid for twice.",
    },
  }),
  partial: { enum: ["keep", "fail"], description: "Whether fewer pictures than asked for are an answer (when omitted) or a failure." },
  variables: { type: "object", description: "Settings of the operator, for templates." },
  generate: { ...operation, description: "How a picture is made." },
  edit: {
    ...operation,
    description: "How pictures are edited. What it leaves out of `success`, `poll`, `cancel` and `result` is as in `generate`.",
  },
  errors: {
    type: "array",
    items: rule,
    description: "What the provider's failures mean; the first match wins, the usual shapes are built in.",
  },
  enabled: { type: "boolean", description: "false switches it off." },
});

function pluginItem(plugins: ReadonlyMap<string, Plugin>): Schema {
  return {
    type: ["string", "object"],
    if: { type: "string" },
    then: { enum: [...plugins.keys()] },
    else: {
      ...closed(Object.fromEntries([...plugins].map(([name, plugin]) => [name, { ...plugin.schema, description: plugin.summary }]))),
      minProperties: 1,
      maxProperties: 1,
    },
  };
}

/** The same, where null deletes what lies below. */
function deletable(schema: Schema): Schema {
  const { type, enum: values, properties } = schema as { type?: string | string[]; enum?: unknown[]; properties?: Record<string, Schema> };
  return {
    ...schema,
    ...(type && { type: [type, "null"].flat() }),
    ...(values && { enum: [...values, null] }),
    ...(properties && { properties: deletableParts(properties) }),
  };
}

function deletableParts(parts: Record<string, Schema>): Record<string, Schema> {
  return Object.fromEntries(Object.entries(parts).map(([name, schema]) => [name, deletable(schema)]));
}

function channelParts(plugins: ReadonlyMap<string, Plugin>): Record<string, Schema> {
  const parts = overridable(plugins);
  return {
    description: text("One sentence about the channel."),
    base_url: text("The provider's address; `<CHANNEL>_BASE_URL` in the environment replaces it."),
    keys: {
      type: "array",
      minItems: 1,
      description:
        'The keys, taking turns: `["${env.NAME}"]`; maps where a key has parts. `<CHANNEL>_API_KEY` stands in for them. From four characters on they are hidden wherever a provider repeats them.',
      items: { type: ["string", "object"], additionalProperties: { type: "string" } },
    },
    auth: authSchema,
    key_hosts: { type: "array", items: { type: "string" }, description: "Other hosts that may see the key: `*.example.com`." },
    verify: call("A call that costs nothing and proves the key, for `pictor verify`."),
    trusted_hosts: {
      type: "array",
      items: {
        type: "string",
        title: "a host; write pictures.lan, pictures.lan:9000, *.pictures.lan or pictures.lan:*",
        pattern: "^(\\*\\.)?([a-zA-Z0-9_.-]+|\\[[0-9a-fA-F:.]+\\])(:([0-9]+|\\*))?$",
      },
      description:
        "Other hosts that this provider's answers may name at private addresses: `pictures.lan` on the standard ports, `pictures.lan:9000`, or `pictures.lan:*`. URLs of clients are never at private ones.",
    },
    cool_down: closed({
      after: { type: "integer", minimum: 1, description: "Failures in a row after which it is left alone for a while; 3 when omitted." },
      first: { ...duration, description: "For how long at first; 5s when omitted. Each time it is doubled." },
      max: { ...duration, description: "For how long at most; 5m when omitted." },
    }),
    models: {
      type: "object",
      minProperties: 1,
      description: "The public models it serves; each may have `schema`, `upstream`, and anew what the channel has.",
      additionalProperties: deletable(
        closed({
          schema: text("The file of models/, without .json, where it is not the model's id."),
          upstream: text("The provider's name for the model."),
          ...parts,
        }),
      ),
    },
    ...parts,
    tests: { type: "array", items: test, description: "Exchanges with the provider, run offline by `pictor test`." },
  };
}

const needed = { required: ["base_url", "models"] };

/** The JSON Schema of a channel with its preset below it, put together with the plugins' own schemas. */
export function channelSchema(plugins: ReadonlyMap<string, Plugin>): Schema {
  return closed(channelParts(plugins), needed);
}

/** The JSON Schema of a channel file as it is written, for editors. A preset may give what is missing, and null deletes what it gives. */
export function channelFileSchema(plugins: ReadonlyMap<string, Plugin>): Schema {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "A channel: one upstream account and its dialect",
    ...closed({
      extends: text("The preset it builds on: a file of presets/, without .yaml."),
      ...deletableParts(channelParts(plugins)),
    }),
    if: { not: { required: ["extends"] } },
    then: needed,
  };
}
