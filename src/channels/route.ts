// Compiles one model of a channel into a route.
import type { CallContext } from "../dialect/context.ts";
import { milliseconds } from "../dialect/duration.ts";
import type { Operation } from "../dialect/operation.ts";
import type { AcceptedTask, OrderLog } from "../dialect/orders.ts";
import { rehearsed, type RehearsedPoll } from "../dialect/rehearse.ts";
import type { Prepared } from "../dialect/submission.ts";
import { judgeUnused } from "../dialect/unused.ts";
import { ProviderFailure } from "../errors.ts";
import type { Report } from "../expression/rendering.ts";
import type { Authorizer } from "../net/auth/authorizer.ts";
import type { Key } from "../net/auth/key.ts";
import type { AuthSpec } from "../net/auth/spec.ts";
import type { OutgoingRequest } from "../net/send.ts";
import { compose, type Core, type Events } from "../plugin/compose.ts";
import type { PluginContext, Result } from "../plugin/context.ts";
import type { Plugin } from "../plugin/define.ts";
import type { Deletable } from "../schema/from-schema.ts";
import type { CompiledModel, OperationName } from "../schema/models.ts";
import type { ModelSettings } from "./grammar.ts";
import { limitsOf, type ChannelLimits, type CoolDown, type Limits, type LimitsSpec } from "./limits.ts";
import { asWritten } from "./edit.ts";
import { compileOperations } from "./operations.ts";
import type { Bill } from "./bill.ts";
import { compilePricing, type Pricing } from "./pricing.ts";
import { compilePipelines, type PipelineOf } from "./pipelines.ts";
import type { Life } from "./life.ts";
import type { Verify } from "./verify.ts";
import type { Located, Problems } from "./problems.ts";

/** An upstream account, ready for requests. */
export interface Channel {
  name: string;
  description: string;
  baseUrl: string;
  /** The base URLs that single models have in the file in place of the channel's. */
  otherAddresses: readonly string[];
  keys: readonly Key[];
  auth: AuthSpec;
  authorize: Authorizer;
  /** Proves a key with a call that costs nothing, where the channel has one. */
  verify?: Verify;
  /** True for a URL to which the key may be sent. */
  mayCarryKey: (url: URL) => boolean;
  /** True for an address that may be private, where the provider names it as a picture's. */
  trusted: (url: URL) => boolean;
  /** Why it is off; undefined while it is on. */
  off?: string;
  models: readonly string[];
  /** Models that are off while the channel is on, and why. */
  modelsOff: ReadonlyMap<string, string>;
  coolDown: CoolDown;
  limits: ChannelLimits;
}

/** The progress of an attempt. After a provider has accepted an order, no failure proves that nothing was made. */
export interface Progress {
  /** True once a submission was begun. */
  submitted: boolean;
  /** True once a submission has given its pictures. */
  accepted: boolean;
  /** A picture of it was shown to a client that wants a stream, and cannot be taken back. */
  shown?: boolean;
  /** The bill of the attempt. */
  bill: Bill;
  /** The log of the attempt's orders, where they have to outlive this process. Nothing is ordered where it does not take that. */
  orders?: OrderLog;
}

/** A model on a channel, compiled and ready. */
export interface Route {
  channel: Channel;
  model: PluginContext["model"];
  schema: CompiledModel;
  priority: number;
  /** Its share among the channels of the same priority. */
  weight: number;
  partial: "keep" | "fail";
  /** Allows another channel to be tried where this one may have made a picture. */
  unsafe: boolean;
  /** Milliseconds of the whole attempt, at most. */
  timeout: number;
  /** The prices of it. */
  pricing: Pricing;
  /** Limits of this model on the channel, beside the channel's own. */
  limits: Limits;
  /** Texts beside the key that nobody should be shown. */
  secrets: readonly string[];
  /** The days of the model's end at this address. */
  life?: Life;
  /** The operations of the model that the channel offers. */
  operations: ReadonlySet<OperationName>;
  /** True for a field of the request that some step or call of the operation has a use for. */
  takes(operation: OperationName, field: string): boolean;
  /** True where the provider itself can be asked for a stream. */
  streams: boolean;
  /**
   * The pipeline around the calls to the provider, for one attempt with one key. The calls end with `inTime`, and all of it with the
   * context's signal. `events` is there where the client wants a stream.
   */
  run(ctx: PluginContext, key: Key | undefined, progress: Progress, watched: { inTime: AbortSignal; events?: Events }): Promise<void>;
  /** The same pipeline around tasks that were accepted before, in the order of the calls; nothing is ordered. */
  resume(
    ctx: PluginContext,
    key: Key | undefined,
    taken: { tasks: readonly AcceptedTask[] } & Pick<Progress, "bill" | "orders">,
    inTime: AbortSignal,
  ): Promise<void>;
  /** The same pipeline, with something else where the provider would be asked. */
  pretend(ctx: PluginContext, core: Core, events?: Events): Promise<void>;
  /**
   * Every request up to the submission, after judging what nothing uses, and the poll that would follow; nothing is sent, and names stand
   * for what answers would give.
   */
  rehearse(ctx: PluginContext, key: Key | undefined, events?: Events): Promise<{ requests: OutgoingRequest[]; poll?: RehearsedPoll }>;
}

/** The parts that a route is compiled from. */
export interface RouteParts {
  channel: Channel;
  id: string;
  /** The address of its calls. */
  baseUrl: string;
  schema: CompiledModel;
  /** The channel as the model sees it. */
  located: Located<ModelSettings>;
  variables: Record<string, unknown>;
  /** The secrets among the variables. */
  secrets: readonly string[];
  life: Life | undefined;
  plugins: ReadonlyMap<string, Plugin>;
  wait: CallContext["wait"];
  divert: CallContext["divert"];
  /** The limits that the model itself says, beside its channel's. */
  ownLimits: Deletable<LimitsSpec> | undefined;
  /** Read a JSON file beside the channel files; throws where there is none. */
  readDocument: (name: string) => unknown;
  /** False where the grammar rejected parts of the file; missing parts are reported only while it is true. */
  whole: boolean;
}

/** Compile one model of a channel. Mistakes go to `problems`; there is no route where the operation is not complete. */
export function compileRoute(parts: RouteParts, problems: Problems): Route | undefined {
  const { channel, id, schema, located, secrets, plugins } = parts;
  const { upstream = id, unsupported = "drop", priority = 0, weight = 1, partial = "keep" } = located.value;
  const { limits = {}, retry = {} } = located.value;
  const report = reporterOf(located, problems);
  for (const name of ["queue", "queue_timeout"] as const)
    if (parts.ownLimits?.[name] !== undefined)
      report(["limits", name], "all models of a channel share its queue; write it in the channel's own limits");
  const pipelineOf = compilePipelines(located.value.plugins, plugins, report);
  const operations = compileOperations({
    ...parts,
    channel: located.value,
    report,
    handledIn: (operation) => pipelineOf(operation).handled,
  });
  const pricing = compilePricing(located.value, { id, upstream, schema, report });
  if (operations.size === 0) return undefined;
  return Object.freeze({
    channel,
    model: { id, upstream, fields: schema.schema.properties ?? {} },
    schema,
    life: parts.life,
    operations: new Set(operations.keys()),
    takes: takesOf(operations, pipelineOf),
    streams: [...operations.values()].some(({ streams }) => streams),
    priority,
    weight,
    partial,
    unsafe: retry.unsafe ?? false,
    timeout: milliseconds(limits.timeout ?? "10m"),
    pricing,
    limits: limitsOf(parts.ownLimits),
    secrets,
    ...callsOf(parts, { operations, pipelineOf, unsupported }),
  });
}

/** The parts of a route that its calls are made of. */
interface CallParts {
  operations: ReadonlyMap<OperationName, Operation>;
  pipelineOf: PipelineOf;
  unsupported: "drop" | "reject";
}

/** A route's calls, by what becomes of them. */
function callsOf(
  { channel, id, baseUrl, located, variables, secrets, wait, divert }: RouteParts,
  { operations, pipelineOf, unsupported }: CallParts,
): Pick<Route, "run" | "resume" | "pretend" | "rehearse"> {
  const { authorize, mayCarryKey, trusted } = channel;
  const patience = patienceOf(located.value.limits ?? {});
  const contextOf = (ctx: CallContext["ctx"], key: Key | undefined, events?: Events): CallContext => ({
    ctx,
    baseUrl,
    variables,
    secrets,
    key,
    authorize,
    mayCarryKey,
    trusted,
    patience,
    wait,
    divert,
    events,
  });
  const operationFor = ({ operation }: PluginContext): Operation => {
    const found = operations.get(operation);
    if (!found) throw new Error(`${channel.name} offers no ${operation} of ${id}`);
    return found;
  };
  const prepare = async (ctx: PluginContext, context: CallContext, before: Record<string, unknown>): Promise<Prepared> => {
    const prepared = await operationFor(ctx).render(context, before);
    const used = prepared.fields && new Set([...prepared.fields, ...pipelineOf(ctx.operation).handled]);
    if (used) judgeUnused(ctx, used, unsupported);
    return prepared;
  };
  const core =
    (key: Key | undefined, progress: Progress, signal: AbortSignal): Core =>
    async (ctx, events) => {
      const operation = operationFor(ctx);
      const { request, model, change, spool, early, log, trace } = ctx;
      const context = { ...contextOf({ request, model, change, spool, early, log, trace, signal }, key, events), orders: progress.orders };
      const prepared = await prepare(ctx, context, await operation.begin(context));
      await progress.orders?.sending();
      progress.submitted = true;
      const run = (heard: Events | undefined) => operation.run(prepared, { ...context, events: heard });
      ctx.result = await progress.bill.order(request, events, run);
      progress.accepted = true;
    };
  return {
    run: (ctx: PluginContext, key: Key | undefined, progress: Progress, { inTime, events }: { inTime: AbortSignal; events?: Events }) =>
      compose(pipelineOf(ctx.operation).steps, core(key, progress, inTime))(ctx, events),
    resume: (
      ctx: PluginContext,
      key: Key | undefined,
      { tasks, bill, orders }: { tasks: readonly AcceptedTask[] } & Pick<Progress, "bill" | "orders">,
      inTime: AbortSignal,
    ) =>
      compose(
        pipelineOf(ctx.operation).steps,
        resumed(tasks, (task, { request, model, change, spool, log, trace }) => {
          const context = { ...contextOf({ request, model, change, spool, log, trace, signal: inTime }, key), orders };
          return bill.order(request, undefined, () => (task ? operationFor(ctx).resume(task, context) : Promise.reject(notAccepted())));
        }),
      )(ctx),
    pretend: (ctx: PluginContext, instead: Core, events?: Events) => compose(pipelineOf(ctx.operation).steps, instead)(ctx, events),
    rehearse: async (ctx: PluginContext, key: Key | undefined, events?: Events) => {
      const context = contextOf(ctx, key, events);
      const { calls, standIns, poll } = await operationFor(ctx).rehearse(context);
      return { requests: [...calls, (await rehearsed(() => prepare(ctx, context, standIns))).request], poll: await poll() };
    },
  };
}

/** Reports a mistake where it was written, behind the name of its part. */
function reporterOf(located: Located, problems: Problems): Report {
  return (path, message, offset, of) => {
    const written = asWritten(located.places, path);
    const steps = written.filter((step) => typeof step === "string");
    problems.add(located, written, `${steps.slice(0, 3).join(".")}: ${message}`, { offset, of });
  };
}

/** Finds the fields that an operation uses: those that a step handles, and those that its calls can send. */
function takesOf(operations: ReadonlyMap<OperationName, Operation>, pipelineOf: PipelineOf): Route["takes"] {
  return (name, field) => {
    const operation = operations.get(name);
    return (
      operation !== undefined && (pipelineOf(name).handled.includes(field) || operation.fields === undefined || operation.fields.has(field))
    );
  };
}

function patienceOf({ connect, first_byte: firstByte }: LimitsSpec): CallContext["patience"] {
  return {
    connect: connect === undefined ? undefined : milliseconds(connect),
    firstByte: firstByte === undefined ? undefined : milliseconds(firstByte),
  };
}

/** A core that takes up tasks, one for each call of the pipeline; there is none for a call whose answer never came. */
function resumed(tasks: readonly AcceptedTask[], resume: (task: AcceptedTask | undefined, ctx: PluginContext) => Promise<Result>): Core {
  const left = [...tasks];
  return async (ctx) => {
    ctx.result = await resume(left.shift(), ctx);
  };
}

function notAccepted(): ProviderFailure {
  return new ProviderFailure("failed", "this call was not accepted before the gateway was restarted, and is not made again");
}
