// `pictor status`: what a running gateway says of itself, and the operator's remedy for a cool-down.
import { endInWords } from "../channels/life.ts";
import type { ChannelState } from "../gateway/states.ts";
import { colours } from "../process/colours.ts";
import { call, nobody, operatorKey, parsed } from "./call.ts";

interface Ready {
  status: string;
  config?: string;
  since?: string;
  reload?: { problems: string[] };
  channels: ChannelState[];
}

export interface StatusOptions {
  json?: boolean;
  /** A channel whose cool-downs are to be lifted first. */
  clear?: string;
  /** Epoch milliseconds by which days are shown as past; the time of day when omitted. */
  now?: number;
}

/**
 * `pictor status`: what a running gateway says of itself and its channels; with the operator's key also the reasons. Returns the exit code. Throws an
 * Error where no gateway answers, or where it refuses to lift cool-downs.
 */
export async function status(
  url: string,
  { json, clear, now = Date.now() }: StatusOptions,
  env: Readonly<Record<string, string | undefined>>,
  say: (line: string) => void,
): Promise<number> {
  const key = operatorKey(env);
  if (clear !== undefined) await clearChannel(url, clear, key);
  const answer = await readyOf(url, key);
  if (json) say(JSON.stringify(answer, null, 2));
  else {
    if (clear !== undefined) say(`the cool-downs of ${clear} are lifted`);
    say(answer.status === "ready" ? colours.green("ready") : colours.red(answer.status));
    if (answer.config === "degraded") say(colours.red(`some files are wrong since ${answer.since}, and not in force`));
    for (const line of answer.reload?.problems ?? []) say(`  ${line}`);
    for (const channel of answer.channels) say(lineOf(channel, now));
    if (!key) say(colours.dim("set PICTOR_ADMIN_KEY, here and where the gateway runs, to be told the reasons"));
  }
  return answer.status === "ready" ? 0 : 1;
}

const shown = { on: colours.green("on "), off: colours.dim("off"), resting: colours.red("resting"), broken: colours.red("broken") };

function lineOf({ name, state, reason, file, resting = [], ending = [] }: ChannelState, now: number): string {
  const rests = resting.map(({ what, seconds }) => `${what} rests for ${seconds} s`);
  const told = [
    ...(reason === undefined ? [] : [reason]),
    ...(file ? ["its file is broken, and its last good version serves"] : []),
    ...rests,
    ...ending.map(({ model, shutdown_date: shutdown, instead }) => `${model} ${endInWords({ shutdown, instead }, now)}`),
  ];
  return `${shown[state]} ${name}${told.length === 0 ? "" : `: ${told.join(", ")}`}`;
}

async function clearChannel(url: string, name: string, key: string | undefined): Promise<void> {
  if (!key) throw new Error("--clear needs the operator's key; set PICTOR_ADMIN_KEY to what the gateway has");
  const answer = await call(url, `/admin/channels/${encodeURIComponent(name)}/clear`, key, "POST");
  const { cleared, error } = parsed<{ cleared: boolean; error: { message: string } }>(answer);
  if (!cleared) throw error ? new Error(error.message) : nobody(url);
}

async function readyOf(url: string, key: string | undefined): Promise<Ready> {
  const answer = parsed<Ready>(await call(url, "/readyz", key));
  if (answer.status === undefined || !answer.channels) throw nobody(url);
  return { ...answer, status: answer.status, channels: answer.channels };
}
