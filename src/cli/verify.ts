// `pictor verify`: tries the keys of each channel with a free call.
import pino from "pino";
import { loadChannels } from "../channels/load.ts";
import { wait } from "../dialect/duration.ts";
import { noSpool } from "../picture/spool.ts";
import { loadPlugins } from "../plugin/load.ts";
import { didYouMean } from "../schema/suggest.ts";
import { colours } from "../process/colours.ts";
import { readSettings } from "../process/environment.ts";

interface Verdict {
  channel: string;
  /** Counted from 1, in the order of the file; absent where there is none. */
  key?: number;
  verdict: string;
  message?: string;
}

/** Time that a provider has to answer `pictor verify`, in milliseconds: a person is waiting. */
export const patience = 15_000;

/** `pictor verify [channel]`: try each key with the channel's free call. Returns the exit code. */
export async function verify(
  name: string | undefined,
  { json }: { json?: boolean },
  env: Readonly<Record<string, string | undefined>>,
  say: (line: string) => void,
): Promise<number> {
  const settings = readSettings(env);
  const { channels } = await loadChannels({ folder: settings.channels, plugins: await loadPlugins(settings.pluginFolders), env });
  const wanted = channels.filter((channel) => name === undefined || channel.name === name);
  if (name !== undefined && wanted.length === 0)
    throw new Error(
      `there is no channel ${name} (${didYouMean(
        name,
        channels.map((channel) => channel.name),
      )})`,
    );
  const verdicts: Verdict[] = [];
  for (const channel of wanted) {
    if (channel.off !== undefined || !channel.verify) {
      if (name !== undefined)
        verdicts.push({
          channel: channel.name,
          verdict: channel.off === undefined ? "it has no verify, no call is known to be free" : `off: ${channel.off}`,
        });
      continue;
    }
    for (const [index, key] of (channel.keys.length > 0 ? channel.keys : [undefined]).entries()) {
      const ctx = {
        spool: noSpool,
        request: { model: "", prompt: "", n: 1 },
        model: { id: "", upstream: "", fields: {} },
        change: () => undefined,
        signal: AbortSignal.timeout(patience),
        log: pino({ level: "silent" }),
      };
      const failure = await channel.verify(key, { ...channel, ctx, wait });
      verdicts.push({
        channel: channel.name,
        ...(key === undefined ? {} : { key: index + 1 }),
        verdict: failure?.kind ?? "ok",
        ...(failure ? { message: failure.message } : {}),
      });
    }
  }
  if (json) say(JSON.stringify({ verdicts }, null, 2));
  else if (verdicts.length === 0) say("no channel that is on has a free call");
  else
    for (const { channel, key, verdict, message } of verdicts) {
      const subject = `${channel}${key ? ` key ${key}` : ""}`;
      say(`${subject}: ${verdict === "ok" ? colours.green(verdict) : colours.red(verdict)}${message === undefined ? "" : `: ${message}`}`);
    }
  return verdicts.every(({ verdict }) => verdict === "ok") ? 0 : 1;
}
