// Says for each key of the grammar of channels how it can be seen to have an effect.
import { methods } from "../../src/dialect/call.ts";
import { solidPng } from "../../src/picture/png.ts";
import { laid, type Scene } from "./observe.ts";

type Tree = Record<string, unknown>;

/** A value of a key that makes a difference to the scene. */
export interface Effect extends Partial<Omit<Scene, "channel">> {
  /** Laid over the plain channel. */
  base?: Tree;
  /** The key's value. */
  is: unknown;
  /** The value beside which the difference shows; none when omitted. */
  not?: unknown;
  /** Laid over the channel that has not the value. */
  without?: Tree;
  /** The key is refused of a model, since it is about all of the channel. */
  refusedOfModel?: true;
  /** Why no scene shows it, and the test that does. */
  unseen?: { why: string; seenIn: string };
}

/** A channel that draws, and says no more than it must. */
export const plainChannel: Tree = {
  base_url: "URL",
  keys: ["${env.X_API_KEY}"],
  models: { m: { schema: "open" } },
  generate: { request: { post: "/draw", json: { prompt: "${request.prompt}" } }, result: { images: "${body.data}", url: "${image.?url}" } },
};

const nested = (path: string, value: unknown): Tree =>
  path.split(".").reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Tree;

/** The keys of a call, wherever one may stand. `base` makes the gateway come to it. */
function callAt(path: string, { base = {}, ...scene }: Omit<Effect, "is"> = {}, value = "1"): Record<string, Effect> {
  const ofMethod = methods.map((method) => {
    const other = method === "post" ? "put" : "post";
    return [`${path}.${method}`, { ...scene, base, is: "/k", without: nested(path, { [other]: "/k" }) }] as const;
  });
  const ofPart = ["query", "headers", "json", "multipart", "form"].map(
    (part) => [`${path}.${part}`, { ...scene, base: laid(base, nested(path, { post: "/k" })) as Tree, is: { "x-v": value } }] as const,
  );
  return Object.fromEntries<Effect>([...ofMethod, ...ofPart]);
}

const queued = { json: { id: 1, status: "queued", state: "ok" } };
const done = { json: { id: 1, status: "ok", data: [{ url: "URL/1.png" }] } };
const task = (poll: Tree = {}): Tree => ({
  generate: { poll: { get: "/task", every: "1ms", state: "${body.status}", pending: ["queued"], done: ["ok"], ...poll } },
});
const replies = { "/draw": queued, "/task": [queued, queued, queued, done] };
const polled = (is: unknown, more: Partial<Effect> = {}): Effect => ({ base: task(), replies, is, ...more });
const ends = (is: unknown, status: string, more: Partial<Effect> = {}): Effect =>
  polled(is, { replies: { "/draw": queued, "/task": [{ json: { status, reason: "why" } }, done] }, ...more });

const two = {
  json: {
    data: [
      { url: "URL/1.png", text: "better" },
      { lost: "gone", of: "prompt", why: "spoilt" },
    ],
  },
};
const lost = { generate: { result: { each_error: [{ when: "has(image.lost)", class: "refused" }] } } };
const drawn = (is: unknown, more: Partial<Effect> = {}): Effect => ({ is, replies: { "/draw": two }, ...more });
const missing = { generate: { result: { missing: { class: "invalid_request" } } } };
const none = { "/draw": { json: { data: [], why: "words" } } };
const rehosted = { plugins: [{ rehost: { good_for: 600 } }] };
const facts = ["created", "usage", "size", "quality", "output_format", "background"];
const toldAs: Tree = { usage: "${{'credits': 7}}", created: 5 };
const factsAt = (path: string, effect: (is: unknown) => Effect, without: readonly string[] = []): Record<string, Effect> =>
  Object.fromEntries(facts.filter((name) => !without.includes(name)).map((name) => [`${path}.${name}`, effect(toldAs[name] ?? "told")]));

const failing = { "/draw": { status: 418, json: { problem: "tea", of: "prompt" } } };
const rule = { errors: [{ when: "status == 418", class: "failed" }] };
const ofRule = (is: unknown, more: Partial<Effect> = {}): Effect => ({ base: rule, replies: failing, is, ...more });

const item = { url: "URL/1.png", b64: solidPng(8, 8).toString("base64"), path: "1.png", text: "better", lost: "gone", of: "prompt" };
const streaming = {
  generate: {
    stream: { partial: { when: 'event == "sketch"' }, result: { when: 'event == "picture"', images: "${[body]}", url: "${image.?url}" } },
  },
};
const sse = ["sketch", "picture"].map((name) => ({ event: name, data: { ...item, at: 4, two: [item, item] } }));
const streamed = (is: unknown, more: Partial<Effect> = {}): Effect => ({
  is,
  base: streaming,
  request: { stream: true, partial_images: 1 },
  replies: { "/draw": { sse } },
  ...more,
});
const ofEvents = (path: string): Record<string, Effect> => {
  const own = (parts: Tree) => laid(streaming, nested(path, parts)) as Tree;
  return {
    [`${path}.when`]: streamed('event == "never"', { not: `event == "${path.endsWith("partial") ? "sketch" : "picture"}"` }),
    [`${path}.images`]: streamed("${body.none}", { not: "${[body]}" }),
    [`${path}.url`]: streamed("${image.?none}", { not: "${image.?url}" }),
    [`${path}.relative`]: streamed(true, { base: own({ url: "${image.path}" }) }),
    [`${path}.base64`]: streamed("${image.b64}", { base: own({ url: "${image.?none}" }) }),
    [`${path}.revised_prompt`]: streamed("${image.text}"),
  };
};

/** The rules about one element of a list. */
const ofElements = (path: string, { base, ...scene }: Omit<Effect, "is">): Record<string, Effect> => {
  const effect = (is: unknown, rule: Tree, not?: unknown): Effect => ({
    ...scene,
    base: laid(base, nested(path, { each_error: [rule] })) as Tree,
    is,
    not,
  });
  const when = "has(image.lost)";
  return {
    [`${path}.each_error[].when`]: effect(when, { class: "failed" }, "has(image.none)"),
    [`${path}.each_error[].class`]: effect("failed", { when }, "refused"),
    [`${path}.each_error[].message`]: effect("${image.lost}", { when, class: "failed" }),
    [`${path}.each_error[].code`]: effect("${image.lost}", { when, class: "invalid_request" }),
    [`${path}.each_error[].param`]: effect("${image.of}", { when, class: "invalid_request" }),
  };
};

const ofPricing = { why: "a price changes no call", seenIn: "test/channels/pricing.test.ts" };

/** Every key of a channel but `auth` and the plugins' options, by its path. A key of \`generate\` is one of \`edit\` and of a model too. */
export const effects: Record<string, Effect> = {
  description: { is: "Draws." },
  base_url: { is: "URL/v2", not: "URL" },
  keys: { is: ["${env.OTHER_KEY}"], not: ["${env.X_API_KEY}"] },
  key_hosts: { is: ["keys.example"] },
  ...callAt("verify"),
  ...callAt("verify.from", { base: { verify: { get: "/list", models: "${body.names}" } } }),
  "verify.models": { is: "${body.names}", base: { verify: { get: "/list" } }, replies: { "/list": { json: { names: ["a", "b"] } } } },
  trusted_hosts: { is: ["pictures.lan"] },
  "cool_down.after": { is: 9 },
  "cool_down.first": { is: "9s" },
  "cool_down.max": { is: "9h" },
  "models.*.schema": { is: "open", not: "m", request: { style: "vivid" } },
  "models.*.$replace": {
    is: true,
    base: { ...rule, models: { m: { schema: "open", generate: plainChannel.generate } } },
    replies: failing,
  },
  ...Object.fromEntries(["deprecated", "retired", "retires"].map((name) => [`models.*.${name}`, { is: "2099-01-01" }])),
  "models.*.instead": { is: "m2", base: { models: { m: { retires: "2099-01-01" } } } },
  "models.*.upstream": { is: "theirs", base: { generate: { request: { json: { model: "${model.upstream}" } } } } },
  plugins: { is: [{ "prompt-template": { template: "a photo of {prompt}" } }] },
  unsupported: { is: "reject", request: { style: "vivid" } },
  "limits.timeout": { is: "5s" },
  "limits.connect": {
    is: "1ms",
    unseen: { why: "a connection on loopback is there before any limit of it is over", seenIn: "test/net/send.test.ts" },
  },
  "limits.first_byte": { is: "20ms", slow: 60 },
  "limits.concurrency": { is: 2 },
  "limits.images_per_minute": { is: 2 },
  "limits.queue": { is: 7, refusedOfModel: true },
  "limits.queue_timeout": { is: "7s", refusedOfModel: true },
  "limits.per_key.concurrency": { is: 2 },
  "limits.per_key.images_per_minute": { is: 2 },
  priority: { is: 3 },
  weight: { is: 3 },
  "retry.unsafe": { is: true },
  partial: { is: "fail", request: { n: 2 }, replies: { "/draw": two }, base: lost },
  variables: { is: { v: "one" }, not: { v: "two" }, base: { generate: { request: { json: { v: "${variables.v}" } } } } },
  enabled: { is: false },
  ...Object.fromEntries(
    ["bill", "usd", "usd_per_million", "when", "first", "then", "round", "megapixel", "times", "most"].map((name) => [
      `price[].${name}`,
      { is: "", unseen: { why: "a price changes no call", seenIn: "test/money/costs.yaml" } },
    ]),
  ),
  charges_refusals: { is: true, unseen: ofPricing },
  "errors[].when": ofRule("status == 418", { not: "status == 419", base: { errors: [{ class: "failed" }] } }),
  "errors[].on": ofRule("${body.problem}", { not: "${body.of}", base: { errors: [{ to: { tea: "refused" } }] } }),
  "errors[].to": ofRule({ tea: "refused" }, { not: { milk: "refused" }, base: { errors: [{ on: "${body.problem}" }] } }),
  "errors[].class": ofRule("refused", { not: "rate_limit", base: { errors: [{ when: "status == 418" }] } }),
  "errors[].message": ofRule("${body.problem}"),
  "errors[].code": ofRule("${body.problem}", { base: { errors: [{ when: "status == 418", class: "invalid_request" }] } }),
  "errors[].param": ofRule("${body.of}", { base: { errors: [{ when: "status == 418", class: "invalid_request" }] } }),
  "errors[].retry_after": ofRule("7", { base: { errors: [{ when: "status == 418", class: "rate_limit" }] } }),
  "errors[].then": ofRule("retry"),
  ...callAt("generate.before.*"),
  "generate.before.*.when": { is: "false", base: { generate: { before: { a: { post: "/k" } } } } },
  "generate.before.*.each": { is: "${['a', 'b']}", base: { generate: { before: { a: { post: "/k" } } } } },
  ...callAt(
    "generate.request",
    { base: { generate: { request: { post: null, json: null, headers: { "x-p": "${request.prompt}" } } } } },
    "${request.prompt}",
  ),
  "generate.success": { is: "has(body.fine)" },
  ...callAt("generate.poll", {
    base: { generate: { poll: { every: "1ms", state: "${body.status}", done: ["ok"] } } },
    replies: { "/draw": queued, "/k": done },
  }),
  "generate.poll.when": polled("false"),
  "generate.poll.every": polled("9ms", { base: task({ every: null }) }),
  "generate.poll.every.first": polled("7ms", { base: task({ every: {} }) }),
  "generate.poll.every.grow": polled(3, { base: task({ every: {} }) }),
  "generate.poll.every.max": polled("1200ms", { base: task({ every: {} }) }),
  "generate.poll.state": polled("${body.state}", { not: "${body.status}" }),
  "generate.poll.pending": polled(["queued"], { base: task({ pending: null }) }),
  "generate.poll.done": polled(["queued"], { not: ["ok"], base: task({ pending: [] }) }),
  "generate.poll.refused": ends(["nsfw"], "nsfw"),
  "generate.poll.failed": ends(["lost"], "lost"),
  "generate.poll.progress": polled("45", { replies: { "/draw": queued, "/task": [{ json: { status: "queued" } }, done] } }),
  "generate.poll.message": ends("${body.reason}", "lost", { base: task({ failed: ["lost"] }) }),
  ...callAt("generate.cancel", { base: task(), replies: { "/draw": queued, "/task": queued }, hangUpAt: "/task" }),
  "generate.result.when": { is: "false" },
  ...callAt("generate.result.from"),
  "generate.result.bytes": { is: true, replies: { "/draw": { base64: solidPng(8, 8).toString("base64") } } },
  "generate.result.images": drawn("${body.none}", { not: "${body.data}" }),
  "generate.result.url": drawn("${image.none}", { not: "${image.?url}" }),
  "generate.result.relative": { is: true, replies: { "/draw": { json: { data: [{ url: "1.png" }] } } } },
  "generate.result.base64": { is: "${image.b64}", replies: { "/draw": { json: { data: [{ b64: item.b64 }] } } } },
  "generate.result.revised_prompt": drawn("${image.?text}"),
  ...ofElements("generate.result", { base: {}, replies: { "/draw": { json: { data: [{ lost: "gone", of: "prompt" }] } } } }),
  "generate.result.expires": drawn(3600, { base: rehosted }),
  "generate.result.missing.class": { is: "refused", not: "rate_limit", replies: none },
  "generate.result.missing.message": { is: "${body.why}", replies: none, base: missing },
  "generate.result.missing.code": { is: "${body.why}", replies: none, base: missing },
  "generate.result.missing.param": { is: "${body.why}", replies: none, base: missing },
  "generate.result.cost": { is: "0.04", unseen: ofPricing },
  "generate.stream.result.cost": { is: "0.04", unseen: ofPricing },
  "generate.result.metadata": drawn({ seen: "yes" }),
  "generate.result.each_metadata": drawn({ seen: "yes" }),
  ...factsAt("generate.result", drawn),
  ...Object.fromEntries(["query", "headers"].map((part) => [`generate.stream.request.${part}`, streamed({ "x-v": "1" })])),
  ...Object.fromEntries(
    ["json", "multipart", "form"].map((part) => [
      `generate.stream.request.${part}`,
      streamed(
        { "x-v": "1" },
        { base: laid(streaming, { generate: { request: { json: null, [part]: { a: "${request.prompt}" } } } }) as Tree },
      ),
    ]),
  ),
  ...ofEvents("generate.stream.partial"),
  "generate.stream.partial.index": streamed("${body.at}"),
  ...factsAt("generate.stream.partial", streamed, ["usage"]),
  ...ofEvents("generate.stream.result"),
  ...ofElements("generate.stream.result", streamed(undefined)),
  "generate.stream.result.expires": streamed(3600, { base: laid(streaming, rehosted) as Tree }),
  "generate.stream.result.metadata": streamed({ seen: "yes" }),
  "generate.stream.result.each_metadata": streamed({ seen: "yes" }),
  ...factsAt("generate.stream.result", streamed),
};
