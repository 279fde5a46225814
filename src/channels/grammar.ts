// Puts the keys of a channel file together as JSON Schema, from the parts that are declared beside their readers.
import { ruleSchema } from "../dialect/failure.ts";
import { operationSchema } from "../dialect/operation.ts";
import { priceSchema } from "../money/lines.ts";
import { authSchema, type AuthSpec } from "../net/auth/spec.ts";
import { stepOptions, type Plugin } from "../plugin/define.ts";
import type { Deletable, FromSchema, JsonSchema } from "../schema/from-schema.ts";
import { closed, text } from "../schema/parts.ts";
import { lifeSchema } from "./life.ts";
import { coolDownSchema, limitsSchema } from "./limits.ts";
import { verifySchema } from "./verify.ts";
import { testSchema, type WrittenTest } from "./test-grammar.ts";

/** The keys that a model may have anew, beside `plugins`. */
const overridable = closed({
  unsupported: {
    enum: ["drop", "reject"],
    description: "What becomes of a field that nothing here uses: dropped and reported (when omitted), or refused.",
  },
  limits: limitsSchema,
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
  variables: { type: "object", description: "Settings of the operator, for templates. Secrets among them are masked as keys are." },
  generate: { ...operationSchema, description: "How a picture is made." },
  edit: {
    ...closed({
      like: {
        enum: ["generate"],
        description:
          "`generate` lays the edit over the whole of `generate`, as the model has it: only what is different is written. Its body may be of another kind, such as a form with the same fields.",
      },
      ...operationSchema.properties,
    }),
    description:
      "How pictures are edited. What it leaves out of `success`, `poll`, `cancel` and `result` is as in `generate`, and with `like: generate` everything.",
  },
  errors: {
    type: "array",
    items: ruleSchema,
    description:
      "What the provider's failures mean; the first match wins, the usual shapes are built in. Where there is no `success`, a rule that matches a 2xx makes a failure of it.",
  },
  price: priceSchema,
  charges_refusals: {
    type: "boolean",
    description: "true where the provider takes its price also for a request that its moderation refused; false when omitted.",
  },
  enabled: { type: "boolean", description: "false switches it off." },
});

/** The keys of a channel alone. */
const ownKeys = closed(
  {
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
    verify: { ...verifySchema, description: "A call that costs nothing and proves the key, for `pictor verify`." },
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
    cool_down: coolDownSchema,
  },
  ["base_url"],
);

/** The keys of a model alone. */
const modelKeys = closed({
  schema: text("The file of models/, without .json, where it is not the model's id."),
  upstream: text("The provider's name for the model."),
  base_url: text(
    "Another address of the provider, for this model alone; the key goes there too. `<CHANNEL>_BASE_URL` replaces it with the channel's.",
  ),
  ...lifeSchema.properties,
});

/** `plugins` has gone through `withSteps`: each step is a map of one name. */
type Overridable = FromSchema<typeof overridable> & { plugins?: Record<string, unknown>[] };

/** The keys of a model alone. */
type OwnSettings = Overridable & FromSchema<typeof modelKeys>;

/** A channel with its preset below it, once the grammar has accepted it. */
export type ChannelSettings = Omit<FromSchema<typeof ownKeys>, "auth"> &
  Overridable & { auth?: AuthSpec; models: Record<string, Deletable<OwnSettings>>; tests?: WrittenTest[] };

/** A channel as one of its models sees it: the model's own parts over the channel's. */
export type ModelSettings = Omit<ChannelSettings, "models"> & OwnSettings;

function pluginItem(plugins: ReadonlyMap<string, Plugin>): JsonSchema {
  return {
    type: ["string", "object"],
    if: { type: "string" },
    then: { enum: [...plugins.keys()] },
    else: {
      ...closed(Object.fromEntries([...plugins].map(([name, plugin]) => [name, stepSchema(plugin)]))),
      minProperties: 1,
      maxProperties: 1,
    },
  };
}

function stepSchema({ schema, summary }: Plugin): JsonSchema {
  return { ...schema, properties: { ...schema.properties, ...stepOptions }, description: summary };
}

/** Changes of single steps, which need not say what the step below says already. */
function pluginChanges(plugins: ReadonlyMap<string, Plugin>): Record<string, JsonSchema> {
  return Object.fromEntries([...plugins].map(([name, plugin]) => [name, deletable({ ...stepSchema(plugin), required: [] })]));
}

/** The same, where null deletes what lies below, and a map may take the place of one. */
function deletable(schema: JsonSchema): JsonSchema {
  const { type, enum: values, properties, additionalProperties: others } = schema;
  const open = typeof others === "object";
  return {
    ...schema,
    ...(type && { type: [...new Set([type, "null" as const].flat())] }),
    ...(values && { enum: [...new Set([...values, null])] }),
    ...(open && { additionalProperties: deletable(others) }),
    ...((properties ?? open) && { properties: { ...deletableParts(properties ?? {}), $replace: { enum: [true] } } }),
  };
}

function deletableParts(parts: Record<string, JsonSchema>): Record<string, JsonSchema> {
  return Object.fromEntries(Object.entries(parts).map(([name, schema]) => [name, deletable(schema)]));
}

function channelParts(plugins: ReadonlyMap<string, Plugin>) {
  const parts = {
    plugins: {
      type: ["array", "object"],
      description:
        "The pipeline, outermost first. In a model, or over a preset, a map changes single steps of the list: `{ image-inputs: { mask: white }, size-map: null }`. Options are laid over those of the step, null takes a step out, and a new one goes innermost. Every step may have `operation: edit`, or `operation: generate`.",
      items: pluginItem(plugins),
      additionalProperties: false,
      properties: pluginChanges(plugins),
    },
    ...overridable.properties,
  } as const;
  return {
    ...ownKeys.properties,
    models: {
      type: "object",
      minProperties: 1,
      description: "The public models it serves; each may have `schema`, `upstream`, and anew what the channel has.",
      additionalProperties: deletable(closed({ ...modelKeys.properties, ...parts })),
    },
    ...parts,
    // An edit that is laid over `generate` takes lines away from there.
    edit: deletable(parts.edit),
    tests: { type: "array", items: testSchema, description: "Exchanges with the provider, run offline by `pictor test`." },
  } as const;
}

const needed = ["base_url", "models"] as const;

/** The JSON Schema of a channel with its preset below it, put together with the plugins' own schemas. */
export function channelSchema(plugins: ReadonlyMap<string, Plugin>): JsonSchema {
  return closed(channelParts(plugins), needed);
}

/** The JSON Schema of a channel file as it is written, for editors. A preset may give what is missing, and null deletes what it gives. */
export function channelFileSchema(plugins: ReadonlyMap<string, Plugin>): JsonSchema {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "A channel: one upstream account and its dialect",
    ...closed({
      extends: text("The preset it builds on: a file of presets/, without .yaml."),
      ...deletableParts(channelParts(plugins)),
    }),
    if: { not: { required: ["extends"] } },
    then: { required: needed },
  };
}
