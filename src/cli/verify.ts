// `pictor verify`: tries the keys of each channel with a free call, and compares the provider's list of models with the file.
import pino from "pino";
import { loadChannels } from "../channels/load.ts";
import { shipped } from "../channels/proven.ts";
import { isOver } from "../channels/life.ts";
import type { Channel, Route } from "../channels/route.ts";
import type { ListedModel } from "../channels/verify.ts";
import { wait } from "../dialect/duration.ts";
import { noSpool } from "../picture/spool.ts";
import { loadPlugins } from "../plugin/load.ts";
import { didYouMean } from "../schema/suggest.ts";
import { colours } from "../process/colours.ts";
import { channelTexts, readSettings } from "../process/environment.ts";

interface Verdict {
  channel: string;
  /** Counted from 1, in the order of the file; absent where there is none. */
  key?: number;
  verdict: string;
  message?: string;
}

/** How a provider's own list of models differs from a channel's file. Models are named as the provider names them. */
interface Difference {
  channel: string;
  /** Listed, and not in the file. */
  new: string[];
  /** In the file and not shut down, and not listed. */
  gone: string[];
  /** In the file, and listed with the day of their end; `told` where the file has that day too. */
  ending: { model: string; shutdown_date: string; told: boolean }[];
}

/** Time that a provider has to answer `pictor verify`, in milliseconds: a person is waiting. */
export const patience = 15_000;

/**
 * `pictor verify [channel]`: try each key with the channel's free call, and report how the provider's list of models differs from the file, which is no
 * failure. Returns the exit code.
 */
export async function verify(
  name: string | undefined,
  { json, now = Date.now() }: { json?: boolean; now?: number },
  env: Readonly<Record<string, string | undefined>>,
  say: (line: string) => void,
): Promise<number> {
  const settings = readSettings(env);
  const { channels, tests } = await loadChannels({
    folder: channelTexts(settings.channels),
    plugins: await loadPlugins(settings.pluginFolders),
    env,
    proven: shipped(),
  });
  const wanted = tests.filter(({ channel }) => name === undefined || channel.name === name);
  if (name !== undefined && wanted.length === 0)
    throw new Error(
      `there is no channel ${name} (${didYouMean(
        name,
        channels.map((channel) => channel.name),
      )})`,
    );
  const verdicts: Verdict[] = [];
  const differences: Difference[] = [];
  for (const one of wanted) {
    const { channel } = one;
    if (channel.off !== undefined || !channel.verify) {
      if (name !== undefined)
        verdicts.push({
          channel: channel.name,
          verdict: channel.off === undefined ? "it has no verify, no call is known to be free" : `off: ${channel.off}`,
        });
      continue;
    }
    const { verdicts: ofKeys, models } = await tryKeys(channel, channel.verify);
    verdicts.push(...ofKeys);
    if (models) differences.push(difference(channel, one.routes, models, now));
  }
  if (json) say(JSON.stringify({ verdicts, models: differences }, null, 2));
  else if (verdicts.length === 0) say("no channel that is on has a free call");
  else {
    for (const { channel, key, verdict, message } of verdicts) {
      const subject = `${channel}${key ? ` key ${key}` : ""}`;
      say(`${subject}: ${verdict === "ok" ? colours.green(verdict) : colours.red(verdict)}${message === undefined ? "" : `: ${message}`}`);
    }
    for (const line of differences.flatMap(inWords)) say(line);
  }
  return verdicts.every(({ verdict }) => verdict === "ok") ? 0 : 1;
}

/** Try each key of a channel. The models are those that the first key that works is shown. */
async function tryKeys(
  channel: Channel,
  verifyKey: NonNullable<Channel["verify"]>,
): Promise<{ verdicts: Verdict[]; models?: readonly ListedModel[] }> {
  const verdicts: Verdict[] = [];
  let listed: readonly ListedModel[] | undefined;
  for (const [index, key] of (channel.keys.length > 0 ? channel.keys : [undefined]).entries()) {
    const ctx = {
      spool: noSpool,
      request: { model: "", prompt: "", n: 1 },
      model: { id: "", upstream: "", fields: {} },
      change: () => undefined,
      signal: AbortSignal.timeout(patience),
      log: pino({ level: "silent" }),
    };
    const { failure, models } = await verifyKey(key, { ...channel, ctx, wait });
    listed ??= models;
    verdicts.push({
      channel: channel.name,
      ...(key === undefined ? {} : { key: index + 1 }),
      verdict: failure?.kind ?? "ok",
      ...(failure ? { message: failure.message } : {}),
    });
  }
  return { verdicts, models: listed };
}

function difference(channel: Channel, routes: readonly Route[], listed: readonly ListedModel[], now: number): Difference {
  const ids = new Set(listed.map(({ id }) => id));
  const known = new Set([...channel.models, ...routes.map(({ model }) => model.upstream)]);
  const gone = routes.filter(({ model, life }) => !isOver(life, now) && !ids.has(model.upstream)).map(({ model }) => model.upstream);
  const ending = listed.flatMap(({ id, shutdown }) => {
    const own = routes.filter(({ model }) => model.upstream === id);
    const told = own.every(({ life }) => life?.shutdown === shutdown);
    return shutdown === undefined || own.length === 0 ? [] : [{ model: id, shutdown_date: shutdown, told }];
  });
  return { channel: channel.name, new: [...ids].filter((id) => !known.has(id)), gone: [...new Set(gone)], ending };
}

function inWords({ channel, new: added, gone, ending }: Difference): string[] {
  return [
    ...(added.length > 0 ? [`${channel}: the provider also lists ${added.join(", ")}`] : []),
    ...(gone.length > 0 ? [`${channel}: the provider does not list ${gone.join(", ")}`] : []),
    ...ending.map(
      ({ model, shutdown_date, told }) =>
        `${channel}: ${model} is shut down on ${shutdown_date}${told ? "" : ", which the file does not say"}`,
    ),
  ];
}
