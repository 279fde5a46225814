// Runs `pictor explain`.
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { endInWords, isOver } from "../channels/life.ts";
import { loadChannels, type ChannelTests } from "../channels/load.ts";
import { shipped } from "../channels/proven.ts";
import type { Route } from "../channels/route.ts";
import { prefixOf } from "../channels/settings.ts";
import { GatewayError } from "../errors.ts";
import { explainRoute, refusalOf, type RouteExplanation, type ShownRequest } from "../gateway/explain.ts";
import { changesHeader } from "../http/changes.ts";
import { FormFile } from "../http/form.ts";
import { usualLimits } from "../http/input-limits.ts";
import { readFields } from "../http/request.ts";
import { estimateText } from "../money/estimate.ts";
import { noSpool } from "../picture/spool.ts";
import { loadPlugins } from "../plugin/load.ts";
import { operationOf, type Change, type UnifiedRequest } from "../plugin/context.ts";
import { didYouMean } from "../schema/suggest.ts";
import { colours } from "../process/colours.ts";
import { channelTexts, readSettings, type ProcessSettings } from "../process/environment.ts";

interface Step extends RouteExplanation {
  /** Why the channel is off. */
  off?: string;
}

/** Options that shape a request beside its fields. */
interface Options {
  json?: boolean;
  /** Files of images to edit. */
  image?: readonly string[];
  /** The file of a mask. */
  mask?: string;
  /** True where the client wants a stream. */
  stream?: boolean;
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
  { json, image = [], mask, stream = false, now = Date.now() }: Options,
  { env, say }: { env: Readonly<Record<string, string | undefined>>; say: (line: string) => void },
): Promise<number> {
  const settings = readSettings(env);
  const { tests, off } = await loadAll(settings, env);
  const routesOf = (some: readonly ChannelTests[]) => some.flatMap((loaded) => loaded.routes).sort((a, b) => a.priority - b.priority);
  const own = routesOf(tests.filter(({ channel }) => channel.models.includes(model))).filter((route) => route.model.id === model);
  const [first] = own;
  if (!first)
    throw new Error(`there is no model ${model} (${didYouMean(model, [...new Set(routesOf(tests).map((route) => route.model.id))])})`);
  const given: Record<string, unknown> = { prompt: "a cat", ...fields, ...(stream && { stream }) };
  const [one, ...more] = await Promise.all(image.map(fileOf));
  if (one) given.image = more.length > 0 ? [one, ...more] : one;
  if (mask !== undefined) given.mask = await fileOf(mask);
  let input: UnifiedRequest;
  let before: readonly Change[];
  try {
    const asked = { id: model, schema: first.schema, routes: own };
    const read = await readFields({ fields: given, form: false }, asked, "generate", { limits: usualLimits, spool: noSpool });
    ({ request: input, changes: before } = read(asked));
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    say(json ? JSON.stringify({ refused: refusalOf(error), channels: [] }, null, 2) : colours.red(`${error.code}: ${error.message}`));
    return 1;
  }
  const steps: Step[] = [];
  for (const route of own.filter(({ operations }) => operations.has(operationOf(input)))) {
    const reason = off.get(route.channel.name) ?? whyOff(route, now);
    steps.push({ ...(await explainRoute(route, input, stream)), ...(reason !== undefined && { off: reason }) });
  }
  for (const { changes } of steps) changes.unshift(...before);
  if (json) say(JSON.stringify({ request: input, ...(first.schema.open && { limits: "unknown" }), channels: steps }, null, 2));
  else for (const line of shown(input, steps, first.schema.open)) say(line);
  return steps.some(({ refused }) => refused === undefined) ? 0 : 1;
}

async function fileOf(path: string): Promise<FormFile> {
  return new FormFile({ kind: "bytes", bytes: await readFile(path) }, basename(path));
}

/** Every channel, on or off, and why it is off. One without an address gets a stand-in, since its requests can be shown all the same. */
async function loadAll(
  { channels: sources, pluginFolders }: ProcessSettings,
  env: Readonly<Record<string, string | undefined>>,
): Promise<{ tests: ChannelTests[]; off: Map<string, string | undefined> }> {
  const plugins = await loadPlugins(pluginFolders);
  const folder = channelTexts(sources);
  const proven = shipped();
  const { channels, tests } = await loadChannels({ folder, plugins, env, proven });
  const off = new Map(channels.map((channel) => [channel.name, channel.off]));
  const standIns = channels
    .filter(({ baseUrl }) => baseUrl === "")
    .map(({ name }) => [`${prefixOf(name)}_BASE_URL`, `https://${name}.invalid`]);
  if (standIns.length === 0) return { tests, off };
  return {
    tests: (await loadChannels({ folder, plugins, proven, env: { ...env, ...(Object.fromEntries(standIns) as Record<string, string>) } }))
      .tests,
    off,
  };
}

function whyOff({ channel, model, life }: Route, now: number): string | undefined {
  return channel.modelsOff.get(model.id) ?? (isOver(life, now) ? `the model ${endInWords(life, now)}` : undefined);
}

function shown(input: UnifiedRequest, steps: readonly Step[], isOpen: boolean): string[] {
  const lines = [colours.bold("the request, as the schema has it:"), indent(input)];
  if (isOpen)
    lines.push("nobody described this model: its limits are unknown, and fields that are not common to all models were not judged");
  for (const { channel, off, changes, requests, polls, cost, refused } of steps) {
    lines.push("", colours.bold(`channel ${channel}${off === undefined ? "" : ` (off: ${off})`}`));
    if (changes.length > 0) lines.push(`  changes: ${changesHeader(changes) ?? ""}`);
    if (!refused) lines.push(`  cost: ${estimateText(cost)}`);
    if (refused) lines.push(colours.red(`  ${refused.code}: ${refused.message}`));
    for (const request of requests) lines.push(...asLines(request));
    for (const { after, ...poll } of polls)
      lines.push(`  then, after ${after.map((wait) => `${wait / 1000} s`).join(", ")} and so on, until it is made:`, ...asLines(poll));
  }
  return lines;
}

function asLines({ method, url, headers, body }: ShownRequest): string[] {
  const lines = [`  ${method} ${url}`, ...Object.entries(headers).map(([name, value]) => `  ${name}: ${value}`)];
  return body === undefined ? lines : [...lines, typeof body === "string" ? body : indent(body)];
}

function indent(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(/^/gm, "  ");
}
