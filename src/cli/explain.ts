// Runs `pictor explain`.
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { endInWords, isOver } from "../channels/life.ts";
import type { ChannelTests } from "../channels/channel.ts";
import { loadChannels } from "../channels/load.ts";
import { shipped } from "../channels/proven.ts";
import type { Route } from "../channels/route.ts";
import { prefixOf } from "../channels/settings.ts";
import { GatewayError } from "../errors.ts";
import { explainRoute, refusalOf, type RouteExplanation, type ShownRequest } from "../gateway/explain.ts";
import { changesHeader } from "../http/changes.ts";
import { FormFile } from "../http/form.ts";
import { usualLimits } from "../http/input-limits.ts";
import { readFields, type ReadRequest } from "../http/request.ts";
import { estimateText } from "../money/estimate.ts";
import { noSpool } from "../picture/spool.ts";
import { loadPlugins } from "../plugin/load.ts";
import { operationOf } from "../plugin/context.ts";
import { didYouMean } from "../schema/suggest.ts";
import { colours } from "../process/colours.ts";
import { whyDemoIsOff } from "../process/load.ts";
import { channelTexts, readSettings, type ProcessSettings } from "../process/environment.ts";

export interface Step extends RouteExplanation {
  /** Why the channel is off. */
  off?: string;
}

/** Options that shape a request beside its fields. */
export interface ExplainOptions {
  json?: boolean;
  /** The API that the request is of; the gateway's own when omitted. */
  door?: string;
  /** Files of images to edit. */
  image?: readonly string[];
  /** The file of a mask. */
  mask?: string;
  /** True where the client wants a stream. */
  stream?: boolean;
  /** The body of a request of that API: JSON, the name of a file, or `-` for the standard input. */
  body?: string;
  /** Epoch milliseconds of the day on which the request would be sent; now when omitted. */
  now?: number;
}

/**
 * `pictor explain MODEL`: what the schema and each plugin make of a request, and the exact provider requests, with secrets as `***`.
 * Nothing is sent. Returns the exit code.
 */
export async function explain(
  model: string,
  fields: Record<string, unknown>,
  { json, image = [], mask, stream = false, body, now = Date.now() }: Omit<ExplainOptions, "door">,
  { env, say }: { env: Readonly<Record<string, string | undefined>>; say: (line: string) => void },
): Promise<number> {
  if (body !== undefined) throw new Error("--body goes with --door, which says whose API it is of");
  const { tests, off } = await loadAll(readSettings(env), env);
  const own = routesFor(tests, model);
  const [first] = own;
  if (!first)
    throw new Error(`there is no model ${model} (${didYouMean(model, [...new Set(tests.flatMap(({ channel }) => channel.models))])})`);
  const given: Record<string, unknown> = { prompt: "a cat", ...fields, ...(stream && { stream }) };
  const [one, ...more] = await Promise.all(image.map(fileOf));
  if (one) given.image = more.length > 0 ? [one, ...more] : one;
  if (mask !== undefined) given.mask = await fileOf(mask);
  let read: Asked;
  try {
    const asked = { id: model, schema: first.schema, routes: own };
    const { signal } = new AbortController();
    const unify = await readFields({ fields: given, form: false }, asked, "generate", { limits: usualLimits, spool: noSpool, signal });
    read = { ...unify(asked), streams: stream };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    say(json ? JSON.stringify({ refused: refusalOf(error), channels: [] }, null, 2) : colours.red(`${error.code}: ${error.message}`));
    return 1;
  }
  const steps = await stepsOf(own, read, { off, now });
  if (json) say(JSON.stringify(summary(read, steps, first.schema.open), null, 2));
  else for (const line of shown(read, steps, first.schema.open)) say(line);
  return exitCodeOf(steps);
}

/** 1 where no channel could serve the request. */
export function exitCodeOf(steps: readonly Step[]): number {
  return steps.some(({ refused }) => refused === undefined) ? 0 : 1;
}

/** The routes of a model, those of the first priority first. Channels without it are not compiled. */
export function routesFor(tests: readonly ChannelTests[], model: string): Route[] {
  return tests
    .filter(({ channel }) => channel.models.includes(model))
    .flatMap(({ routes }) => routes.filter((route) => route.model.id === model))
    .sort((a, b) => a.priority - b.priority);
}

/** A request as its model's schema has it. */
type Asked = Pick<ReadRequest, "request" | "changes" | "streams">;

/** Explains a request on each route that can do it, and says why it is off where it is. */
export async function stepsOf(
  routes: readonly Route[],
  { request, changes, streams }: Asked,
  { off, now }: { off: ReadonlyMap<string, string | undefined>; now: number },
): Promise<Step[]> {
  const steps: Step[] = [];
  for (const route of routes.filter(({ operations }) => operations.has(operationOf(request)))) {
    const reason = off.get(route.channel.name) ?? whyOff(route, now);
    const step = await explainRoute(route, request, streams);
    steps.push({ ...step, changes: [...changes, ...step.changes], ...(reason !== undefined && { off: reason }) });
  }
  return steps;
}

/** The same for machines. */
export function summary({ request }: Asked, channels: readonly Step[], isOpen: boolean): object {
  return { request, ...(isOpen && { limits: "unknown" }), channels };
}

async function fileOf(path: string): Promise<FormFile> {
  return new FormFile({ kind: "bytes", bytes: await readFile(path) }, basename(path));
}

/** Every channel, on or off, and why it is off. One without an address gets a stand-in, since its requests can be shown all the same. */
export async function loadAll(
  { channels: sources, pluginFolders, demo }: ProcessSettings,
  env: Readonly<Record<string, string | undefined>>,
): Promise<{ tests: ChannelTests[]; off: Map<string, string | undefined> }> {
  const plugins = await loadPlugins(pluginFolders);
  const folder = channelTexts(sources);
  const proven = shipped();
  // A gateway that serves starts the demo's provider itself, unless the operator names one.
  const named = { ...env, DEMO_BASE_URL: env.DEMO_BASE_URL || "https://demo.invalid" };
  const { channels, tests, routes } = await loadChannels({ folder, plugins, env: named, proven });
  const off = new Map(channels.map((channel) => [channel.name, channel.off]));
  if (!env.DEMO_BASE_URL) off.set("demo", off.get("demo") ?? whyDemoIsOff({ demo }, routes));
  const standIns = channels
    .filter(({ baseUrl }) => baseUrl === "")
    .map(({ name }) => [`${prefixOf(name)}_BASE_URL`, `https://${name}.invalid`]);
  if (standIns.length === 0) return { tests, off };
  return {
    tests: (await loadChannels({ folder, plugins, proven, env: { ...named, ...(Object.fromEntries(standIns) as Record<string, string>) } }))
      .tests,
    off,
  };
}

function whyOff({ channel, model, life }: Route, now: number): string | undefined {
  return channel.modelsOff.get(model.id) ?? (isOver(life, now) ? `the model ${endInWords(life, now)}` : undefined);
}

/** The same for people. */
export function shown({ request }: Asked, steps: readonly Step[], isOpen: boolean): string[] {
  const lines = [colours.bold("the request, as the schema has it:"), indent(request)];
  if (isOpen)
    lines.push("nobody described this model: its limits are unknown, and fields that are not common to all models were not judged");
  for (const { channel, off, changes, requests, polls, cost, refused } of steps) {
    lines.push("", colours.bold(`channel ${channel}${off === undefined ? "" : ` (off: ${off})`}`));
    if (changes.length > 0) lines.push(`  changes: ${changesHeader(changes) ?? ""}`);
    if (!refused) lines.push(`  cost: ${estimateText(cost)}`);
    if (refused) lines.push(colours.red(`  ${refused.code}: ${refused.message}`));
    for (const one of requests) lines.push(...asLines(one));
    for (const { after, ...poll } of polls)
      lines.push(`  then, after ${after.map((wait) => `${wait / 1000} s`).join(", ")} and so on, until it is made:`, ...asLines(poll));
  }
  return lines;
}

function asLines({ method, url, headers, body }: ShownRequest): string[] {
  const lines = [`  ${method} ${url}`, ...Object.entries(headers).map(([name, value]) => `  ${name}: ${value}`)];
  return body === undefined ? lines : [...lines, typeof body === "string" ? body : indent(body)];
}

export function indent(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(/^/gm, "  ");
}
