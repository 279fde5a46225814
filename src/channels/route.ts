import type { RuleSpec } from "../dialect/failure.ts";
import { compileOperation, methods, type Operation, type OperationSpec } from "../dialect/operation.ts";
import { judgeUnused } from "../dialect/unused.ts";
import { withoutSecrets } from "../dialect/failure.ts";
import { messageOf, ProviderFailure } from "../errors.ts";
import { isPlainObject } from "../expression/cel.ts";
import { channelNames } from "../expression/names.ts";
import type { Path } from "../expression/template.ts";
import { secretsOf, type AuthKind, type Key } from "../net/auth.ts";
import { compose, type Core } from "../plugin/compose.ts";
import type { Middleware, PluginContext } from "../plugin/context.ts";
import type { Plugin } from "../plugin/define.ts";
import type { CompiledModel } from "../schema/models.ts";
import { milliseconds } from "./settings.ts";
import type { Located, Problems } from "./source.ts";

/** One upstream account, ready to be asked. */
export interface Channel {
  name: string;
  description: string;
  baseUrl: string;
  keys: readonly Key[];
  auth: AuthKind;
  /** Whether a picture's URL may be at a private address. */
  trusted(url: URL): boolean;
  /** Why it is off; undefined while it is on. */
  off?: string;
  models: readonly string[];
}

/** A model on a channel, compiled and ready. */
export interface Route {
  channel: Channel;
  model: { id: string; upstream: string };
  schema: CompiledModel;
  priority: number;
  partial: "keep" | "fail";
  /** Milliseconds of the whole request, at most. */
  timeout: number;
  /** The pipeline around the call to the provider, for one attempt with one key. */
  run(ctx: PluginContext, key: Key | undefined): Promise<void>;
  /** Fields that plugins answer for themselves. */
  handled: ReadonlySet<string>;
  operation: Operation;
}

/** Compile one model of a channel. `located` is the channel as the model sees it. */
export function compileRoute(
  channel: Channel,
  id: string,
  schema: CompiledModel,
  located: Located,
  plugins: ReadonlyMap<string, Plugin>,
  variables: Record<string, unknown>,
  problems: Problems,
): Route | undefined {
  const { upstream = id, unsupported = "drop", priority = 0, partial = "keep", limits = {}, errors = [] } = located.value as RouteSpec;
  const report = (path: Path, message: string, offset?: number) =>
    problems.add(
      located,
      path,
      `${path
        .filter((step) => typeof step === "string")
        .slice(0, 3)
        .join(".")}: ${message}`,
      { offset },
    );
  const spec = located.value.generate;
  if (!isComplete(spec, report)) return undefined;
  const operation = compileOperation(
    spec,
    errors,
    ["generate"],
    channelNames(schema.open ? undefined : schema.properties, Object.keys(variables)),
    report,
  );
  const steps = withResponseFormat(located.value.plugins, plugins);
  const pipeline = steps.flatMap((step, index) => instantiate(step, index, plugins, report));
  const handled = new Set(steps.flatMap(({ name }) => plugins.get(name)?.handles ?? []));
  const call = (ctx: PluginContext, key: Key | undefined) => ({ ctx, baseUrl: channel.baseUrl, variables, auth: channel.auth, key });
  const secrets = secretsOf(channel.keys);
  const core =
    (key: Key | undefined): Core =>
    async (ctx) => {
      const rendered = operation.render(call(ctx, key));
      if (rendered.used) judgeUnused(ctx.request, new Set([...rendered.used, ...handled]), unsupported, ctx.change);
      try {
        ctx.result = await operation.run(rendered, call(ctx, key));
      } catch (error) {
        throw error instanceof ProviderFailure ? withoutSecrets(error, secrets) : error;
      }
    };
  return {
    channel,
    model: { id, upstream },
    schema,
    priority,
    partial,
    timeout: milliseconds(limits.timeout ?? "10m"),
    run: (ctx, key) => compose(pipeline, core(key))(ctx),
    handled,
    operation,
  };
}

interface RouteSpec {
  upstream?: string;
  unsupported?: "drop" | "reject";
  priority?: number;
  partial?: "keep" | "fail";
  limits?: { timeout?: string };
  errors?: RuleSpec[];
}

function isComplete(spec: unknown, report: (path: Path, message: string) => void): spec is OperationSpec {
  if (!isPlainObject(spec) || !isPlainObject(spec.request) || !isPlainObject(spec.result)) {
    report(["generate"], "an operation needs request and result");
    return false;
  }
  const { request, result } = spec;
  const used = methods.filter((method) => request[method] !== undefined);
  if (used.length !== 1) report(["generate", "request"], `one method is needed, such as post: /images (there are ${used.length})`);
  if (result.images === undefined) report(["generate", "result"], "images is needed, the list of pictures: images: ${body.data}");
  return used.length === 1 && result.images !== undefined;
}

interface Step {
  name: string;
  options: unknown;
}

/** The steps of `plugins`. The format that a client asked for holds on every channel, so the plugin for it need not be named. */
function withResponseFormat(list: unknown, plugins: ReadonlyMap<string, Plugin>): Step[] {
  const steps = (Array.isArray(list) ? list : []).map((item: unknown): Step => {
    if (!isPlainObject(item)) return { name: String(item), options: {} };
    const [[name, options] = ["", {}]] = Object.entries(item);
    return { name, options: options ?? {} };
  });
  const missing = plugins.has("response-format") && !steps.some(({ name }) => name === "response-format");
  return missing ? [{ name: "response-format", options: {} }, ...steps] : steps;
}

function instantiate(
  { name, options }: Step,
  index: number,
  plugins: ReadonlyMap<string, Plugin>,
  report: (path: Path, message: string) => void,
): Middleware[] {
  const plugin = plugins.get(name);
  if (!plugin) return [];
  try {
    return [plugin.create(options)];
  } catch (error) {
    report(["plugins", index, name], messageOf(error));
    return [];
  }
}
