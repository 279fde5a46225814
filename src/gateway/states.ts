// Shows operators the state of each channel.
import { isEnding } from "../channels/life.ts";
import type { Channel } from "../channels/route.ts";
import { keyScope } from "./candidate.ts";
import type { Routing } from "./routing.ts";
import type { Table } from "./table.ts";

/** A channel's state, for operators. Keys are named by their position in the file. */
export interface ChannelState {
  name: string;
  state: "on" | "off" | "resting" | "broken";
  /** Why it is off. */
  reason?: string;
  /** Set where its file is broken and its last good version serves. */
  file?: "broken";
  /** The parts of the channel that are in a cool-down; absent where none is. */
  resting?: { what: string; seconds: number }[];
  /** Its models that their provider shuts down within 60 days, or has, where the operator keeps them on. */
  ending?: { model: string; shutdown_date: string; instead?: string }[];
}

/** The states of all channels, by name. `broken` are those whose files are wrong; the table lacks those without a good version. */
export function channelStates(
  { channels, models }: Table,
  { health, now, date }: Routing,
  broken: readonly { channel: string; serves: boolean }[] = [],
): ChannelState[] {
  const coolDowns = new Map(health.coolDowns().map(({ scope, until }) => [scope, Math.ceil((until - now()) / 1000)]));
  const stale = new Set(broken.filter(({ serves }) => serves).map(({ channel }) => channel));
  const states = channels.map((channel): ChannelState => {
    const { name, off } = channel;
    const file = stale.has(name) && { file: "broken" as const };
    if (off) return { name, state: "off", reason: off, ...file };
    const resting = partsOf(channel).flatMap(({ scope, what }) => {
      const seconds = coolDowns.get(scope);
      return seconds === undefined ? [] : [{ what, seconds }];
    });
    const ending = endingOn(channel, models, date());
    return {
      name,
      state: coolDowns.has(name) ? "resting" : "on",
      ...(resting.length > 0 && { resting }),
      ...(ending.length > 0 && { ending }),
      ...file,
    };
  });
  const gone = broken.filter(({ serves }) => !serves).map(({ channel }): ChannelState => ({ name: channel, state: "broken" }));
  return [...states, ...gone].sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)));
}

function endingOn({ name, models: served }: Channel, models: Table["models"], now: number): NonNullable<ChannelState["ending"]> {
  const routes = served.flatMap((id) => models.get(id)?.routes.filter(({ channel }) => channel.name === name) ?? []);
  return routes.flatMap(({ model, life }) =>
    isEnding(life, now) ? [{ model: model.id, shutdown_date: life.shutdown, instead: life.instead }] : [],
  );
}

/** The scopes of a channel, with their names for operators. */
function partsOf(channel: Channel): { scope: string; what: string }[] {
  const { name, models, keys } = channel;
  const ofModel = models.map((model) => ({ scope: `${name}/${model}`, what: model }));
  const ofKey = (keys.length > 0 ? keys : [undefined]).flatMap((key, index) => {
    const scope = keyScope(channel, key);
    const what = `key ${index + 1}`;
    return [{ scope, what }, ...models.map((model) => ({ scope: `${scope}/${model}`, what: `${what} for ${model}` }))];
  });
  return [{ scope: name, what: "channel" }, ...ofModel, ...ofKey];
}
