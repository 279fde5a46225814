// Reads gateway.yaml.
import { complain, type FileKind } from "../channels/complaint.ts";
import { createProblems, sourceOf, type Located, type Problems } from "../channels/problems.ts";
import { fileLimits, readRegularFile } from "../channels/regular-file.ts";
import { createResolver, isWrittenOut, type Environment, type Resolver } from "../channels/settings.ts";
import { readSource } from "../channels/source.ts";
import { milliseconds } from "../dialect/duration.ts";
import { ConfigError, messageOf, shownPath } from "../errors.ts";
import type { Path } from "../expression/rendering.ts";
import { allowsOnly, type Client, type KeepAfterHangup } from "../gateway/client.ts";
import type { Sharing } from "../gateway/choose.ts";
import type { Webhook } from "../gateway/delivery.ts";
import type { TableOptions } from "../gateway/table.ts";
import { hashOf, type KeyedClient } from "../http/client-keys.ts";
import type { LedgerLives } from "../http/durable.ts";
import { budgetsOf } from "./budgets-file.ts";
import type { KeyOptions } from "../http/key-options.ts";
import type { ServerLimits } from "../http/server.ts";
import { lazily } from "../schema/lazily.ts";
import { didYouMean } from "../schema/suggest.ts";
import { validatorOf } from "../schema/written.ts";
import { gatewayFileSchema } from "./gateway-schema.ts";
import { noWebhooks, ownWebhooksOf, webhooksOf, type WrittenWebhook } from "./webhooks-file.ts";

/** The content of `gateway.yaml`: settings that outgrow variables. */
export interface GatewayFile {
  clients: readonly KeyedClient[];
  /** False where `keys: []` says that the gateway makes no key for itself. */
  makesKey: boolean;
  /** Clients without a key yet, each with the reason. */
  off: readonly { name: string; reason: string }[];
  /** The models that may stand in for a model. */
  fallback: Readonly<Record<string, readonly string[]>>;
  routing: Omit<TableOptions, "fallback">;
  server: ServerLimits;
  /** Jobs that one process serves at once. */
  jobsAtOnce: number;
  lives: LedgerLives;
  /** The receivers of events, by name. */
  webhooks: ReadonlyMap<string, Webhook>;
  /** Those without a secret yet, each with the reason. */
  webhooksOff: readonly { name: string; reason: string }[];
}

interface Written {
  keys?: WrittenKey[];
  webhooks?: WrittenWebhook[];
  default_model?: string;
  cost_header?: string;
  fallback?: Record<string, string[]>;
  ledger?: { keep?: string; keep_answers?: string };
  jobs?: { at_once?: number };
  routing?: { sharing?: Sharing; timeout?: string; answer_within?: string; repeat_within?: string; keep_after_hangup?: KeepAfterHangup };
  server?: Record<"headers_timeout" | "body_timeout" | "body_idle" | "answer_idle", string | undefined> & { connections?: number };
}

interface WrittenKey extends KeyOptions {
  name: string;
  key: string;
}

/** Jobs that one process serves at once where the operator names no number: the others wait as rows, and requests with a client find room. */
export const usualJobsAtOnce = 200;

const secrets = ["key", "secret", "previous_secret", "webhook_secret", "previous_webhook_secret"];

const kind: FileKind = { whole: "gateway", isSecret: ([, , third = ""]) => secrets.includes(third) };

/**
 * Read `gateway.yaml`, which need not be there unless it is `named`. Throws a `ConfigError` with every problem of it. `models` are the
 * public names there are; undefined where they are not known.
 */
export async function readGatewayFile(
  file: string,
  env: Environment,
  { named = false, models }: { named?: boolean; models?: readonly string[] } = {},
): Promise<GatewayFile> {
  return parseGatewayFile(file, await gatewayText(file, named), env, models);
}

/**
 * The text of `gateway.yaml`; undefined where there is none and it is not `named`. Throws an Error where a named one is not there, and a
 * `ConfigError` where it cannot be read.
 */
export async function gatewayText(file: string, named: boolean): Promise<Buffer | undefined> {
  try {
    return await readRegularFile(file, fileLimits.yaml);
  } catch (error) {
    const isGone = (error as NodeJS.ErrnoException).code === "ENOENT";
    if (isGone && !named) return undefined;
    if (isGone) throw new Error(`PICTOR_CONFIG is ${file}; there is no such file, or it cannot be read`, { cause: error });
    const problems = createProblems();
    problems.addAt(sourceOf(shownPath(file), ""), 0, `cannot be read: ${messageOf(error)}`);
    throw new ConfigError(problems.list());
  }
}

/** The same from its text. Throws a `ConfigError` with every problem of it. */
export function parseGatewayFile(
  file: string,
  text: Buffer | undefined,
  env: Environment,
  models: readonly string[] | undefined,
): GatewayFile {
  const nothing: GatewayFile = {
    makesKey: true,
    clients: [],
    off: [],
    fallback: {},
    routing: routingOf({}),
    server: {},
    jobsAtOnce: usualJobsAtOnce,
    lives: livesOf(),
    ...noWebhooks,
  };
  if (text === undefined) return nothing;
  const problems = createProblems();
  // A file in which everything is a comment says nothing, and that is no mistake.
  const located = /^\s*[^#\s]/m.test(text.toString("utf8")) ? readSource(shownPath(file), text, problems) : undefined;
  const read = located && compileGatewayFile(located, env, problems, { models });
  const found = problems.list();
  if (found.length > 0) throw new ConfigError(found);
  return read ?? nothing;
}

const validator = lazily(() => validatorOf(gatewayFileSchema));

/**
 * Reads a parsed file; mistakes go to `problems`. `models` are the public names there are, and `webhooks` the names of webhooks that stand
 * elsewhere.
 */
export function compileGatewayFile(
  located: Located,
  env: Environment,
  problems: Problems,
  { models, webhooks: others = [] }: { models?: readonly string[]; webhooks?: readonly string[] },
): GatewayFile | undefined {
  const validate = validator();
  judgeSecrets(located, problems);
  if (!validate(located.value)) {
    complain(located, validate.errors ?? [], problems, kind);
    return undefined;
  }
  const { keys, webhooks = [], default_model, cost_header, fallback = {}, routing = {}, server, ledger, jobs } = located.value as Written;
  judgeModels(located, { default_model, fallback }, models, problems);
  const resolve = createResolver({ env }, problems);
  return {
    makesKey: keys?.length !== 0,
    ...clientsOf(keys ?? [], located, { resolve, problems, webhooks: [...others, ...webhooks.map(({ name }) => name)] }),
    ...webhooksOf(webhooks, located, resolve, problems),
    fallback,
    routing: { ...routingOf(routing, default_model), ...(cost_header !== undefined && { costHeader: cost_header.toLowerCase() }) },
    server: limitsOf(server),
    jobsAtOnce: jobs?.at_once ?? usualJobsAtOnce,
    lives: livesOf(ledger),
  };
}

/** A secret written out ends in a repository, unless it is only its hash. */
function judgeSecrets(located: Located, problems: Problems): void {
  for (const list of ["keys", "webhooks"])
    for (const [index, item] of (Array.isArray(located.value[list]) ? located.value[list] : []).entries())
      for (const [name, secret] of Object.entries((item ?? {}) as object)) {
        if (!secrets.includes(name) || !isWrittenOut(secret) || (name === "key" && isHash(String(secret)))) continue;
        const path = [list, index, name];
        const place = located.places.get(path.map(String).join("\u0000"));
        place?.source.secrets.push([place.value, place.end]);
        const what = name === "key" ? "key" : "secret";
        const better = name === "key" ? ", or write its sha256:..." : "";
        problems.add(
          located,
          path,
          `${list}.${name}: a ${what} written out; name where it is, \${env.NAME} or \${file("/run/secrets/name")}${better}`,
        );
      }
}

const isHash = (key: string) => /^sha256:[0-9a-f]{64}$/i.test(key);

function clientsOf(
  keys: readonly WrittenKey[],
  located: Located,
  { resolve, problems, webhooks }: { resolve: Resolver; problems: Problems; webhooks: readonly string[] },
): Pick<GatewayFile, "clients" | "off"> {
  const clients: KeyedClient[] = [];
  const off: { name: string; reason: string }[] = [];
  const names = new Set<string>();
  const hashes = new Map<string, string>();
  for (const [index, { name, key, ...rest }] of keys.entries()) {
    if (names.has(name))
      problems.add(located, ["keys", index, "name"], `keys.name: ${name} stands here a second time; a name is used once`);
    names.add(name);
    // State of one client, such as a request that goes on behind its answer, would belong to the other too.
    if (/^key-\d+$/.test(name))
      problems.add(located, ["keys", index, "name"], `keys.name: ${name} is the name of a key of PICTOR_API_KEYS; choose another`);
    const path: Path = ["keys", index, "key"];
    const { value, wanted } = isHash(key) ? { value: key, wanted: [] } : resolve(located, path, key);
    if (typeof value !== "string") {
      if (wanted.length > 0) off.push({ name, reason: `${wanted.join(" or ")} is not set` });
      continue;
    }
    const hash = isHash(value) ? Buffer.from(value.slice("sha256:".length), "hex") : hashOf(value);
    const other = hashes.get(hash.toString("hex"));
    if (other !== undefined) problems.add(located, path, `keys.key: it is the key of ${other} too; each client needs one of its own`);
    hashes.set(hash.toString("hex"), name);
    if (rest.expires !== undefined && !isDay(rest.expires.slice(0, 10)))
      problems.add(located, ["keys", index, "expires"], `keys.expires: there is no such day as ${rest.expires}`);
    const budgets = budgetsOf(rest.budget, ["keys", index, "budget"], located, problems);
    const own = ownWebhooksOf(rest, ["keys", index], located, { resolve, problems, webhooks });
    clients.push({ hash, client: Object.freeze({ ...clientOf(name, rest), ...budgets, ...own }) });
  }
  return { clients, off };
}

function clientOf(name: string, { models, expires, ...written }: Omit<WrittenKey, "name" | "key">): Client {
  return {
    id: name,
    name,
    allows: allowsOnly(models ?? ["*"]),
    imagesPerMinute: written.images_per_minute,
    concurrency: written.concurrency,
    jobs: written.jobs,
    keepAfterHangup: written.keep_after_hangup,
    mayPin: written.may_pin ?? false,
    refusesUnpriced: written.unpriced === "refuse",
    // A day without a time ends with it.
    expires: expires === undefined ? undefined : Date.parse(expires) + (expires.includes("T") ? 0 : 86_400_000),
  };
}

/** The 30th of February is read as a day of March. */
function isDay(day: string): boolean {
  return new Date(day).toISOString().startsWith(day);
}

function judgeModels(
  located: Located,
  { default_model, fallback }: Required<Pick<Written, "fallback">> & Pick<Written, "default_model">,
  models: readonly string[] | undefined,
  problems: Problems,
): void {
  if (!models) return;
  const tell = (path: Path, model: string, at: "key" | "value") =>
    problems.add(located, path, `${path[0]}: no channel has the model ${model} (${didYouMean(model, models)})`, { at });
  if (default_model !== undefined && !models.includes(default_model)) tell(["default_model"], default_model, "value");
  for (const [model, others] of Object.entries(fallback)) {
    if (!models.includes(model)) tell(["fallback", model], model, "key");
    for (const [index, other] of others.entries()) if (!models.includes(other)) tell(["fallback", model, index], other, "value");
  }
}

function routingOf(
  { sharing, timeout, answer_within = "280s", repeat_within = "15s", keep_after_hangup }: NonNullable<Written["routing"]>,
  defaultModel?: string,
): GatewayFile["routing"] {
  const [answerWithin, repeatWithin] = [timeOf(answer_within), timeOf(repeat_within)];
  return { sharing, timeout: timeOf(timeout), answerWithin, repeatWithin, keepAfterHangup: keep_after_hangup, defaultModel };
}

function timeOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : milliseconds(text);
}

function livesOf({ keep = "744h", keep_answers = "24h" }: NonNullable<Written["ledger"]> = {}): LedgerLives {
  return { rows: milliseconds(keep), answers: milliseconds(keep_answers) };
}

function limitsOf(server: Written["server"]): ServerLimits {
  return {
    headersTimeout: timeOf(server?.headers_timeout),
    bodyTimeout: timeOf(server?.body_timeout),
    bodyIdle: timeOf(server?.body_idle),
    answerIdle: timeOf(server?.answer_idle),
    connections: server?.connections,
  };
}
