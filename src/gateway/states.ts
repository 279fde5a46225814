import type { Channel } from "../channels/route.ts";
import { keySubject } from "./candidate.ts";
import type { Routing } from "./routing.ts";
import type { Table } from "./table.ts";

/** How a channel stands, for operators. Keys are named by their place in the file. */
export interface ChannelState {
  name: string;
  state: "on" | "off" | "resting";
  /** Why it is off. */
  reason?: string;
  /** What is left alone for a while, whole or in part; absent where nothing is. */
  resting?: { what: string; seconds: number }[];
}

export function channelStates({ channels }: Table, { health, now }: Routing): ChannelState[] {
  const rests = new Map(health.resting().map(({ subject, until }) => [subject, Math.ceil((until - now()) / 1000)]));
  return channels.map((channel) => {
    const { name, off } = channel;
    if (off) return { name, state: "off", reason: off };
    const resting = partsOf(channel).flatMap(({ subject, what }) => {
      const seconds = rests.get(subject);
      return seconds === undefined ? [] : [{ what, seconds }];
    });
    return { name, state: rests.has(name) ? "resting" : "on", ...(resting.length > 0 && { resting }) };
  });
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
