// How each channel stands, as operators are shown it.
import type { Channel } from "../channels/route.ts";
import { keySubject } from "./candidate.ts";
import type { Routing } from "./routing.ts";
import type { Table } from "./table.ts";

/** How a channel stands, for operators. Keys are named by their place in the file. */
export interface ChannelState {
  name: string;
  state: "on" | "off" | "resting" | "broken";
  /** Why it is off. */
  reason?: string;
  /** Set where its file is broken and its last good version serves. */
  file?: "broken";
  /** What is left alone for a while, whole or in part; absent where nothing is. */
  resting?: { what: string; seconds: number }[];
}

/** The states of all channels, by name. `broken` are those whose files are wrong; one without a good version is no part of the table. */
export function channelStates(
  { channels }: Table,
  { health, now }: Routing,
  broken: readonly { channel: string; serves: boolean }[] = [],
): ChannelState[] {
  const rests = new Map(health.resting().map(({ subject, until }) => [subject, Math.ceil((until - now()) / 1000)]));
  const stale = new Set(broken.filter(({ serves }) => serves).map(({ channel }) => channel));
  const states = channels.map((channel): ChannelState => {
    const { name, off } = channel;
    const file = stale.has(name) && { file: "broken" as const };
    if (off) return { name, state: "off", reason: off, ...file };
    const resting = partsOf(channel).flatMap(({ subject, what }) => {
      const seconds = rests.get(subject);
      return seconds === undefined ? [] : [{ what, seconds }];
    });
    return { name, state: rests.has(name) ? "resting" : "on", ...(resting.length > 0 && { resting }), ...file };
  });
  const gone = broken.filter(({ serves }) => !serves).map(({ channel }): ChannelState => ({ name: channel, state: "broken" }));
  return [...states, ...gone].sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)));
}

/** Everything of a channel that can rest by itself. */
function partsOf(channel: Channel): { subject: string; what: string }[] {
  const { name, models, keys } = channel;
  const ofModel = models.map((model) => ({ subject: `${name}/${model}`, what: model }));
  const ofKey = (keys.length > 0 ? keys : [undefined]).flatMap((key, index) => {
    const subject = keySubject(channel, key);
    const what = `key ${index + 1}`;
    return [{ subject, what }, ...models.map((model) => ({ subject: `${subject}/${model}`, what: `${what} for ${model}` }))];
  });
  return [{ subject: name, what: "channel" }, ...ofModel, ...ofKey];
}
