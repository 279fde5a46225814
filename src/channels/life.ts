// Reads the life of a model at its provider: the day on which it is shut down, and what takes its place.
import { closed, text } from "../schema/parts.ts";
import { keyOf, type Located, type Problems } from "./problems.ts";
import type { ChannelSettings } from "./grammar.ts";

/** The days of a model's end. Days are texts such as `2026-12-01`, and begin at midnight UTC. */
export interface Life {
  /** The day from which its provider advises against it. */
  deprecated?: string;
  /** The day from which it is off at its provider. */
  shutdown?: string;
  /** The model that its provider names in its place. */
  instead?: string;
  /** True where the operator keeps it on beyond that day. */
  kept: boolean;
}

const day = (description: string) => ({ type: "string", format: "date", title: "a day; write 2026-12-01", description }) as const;

/** The keys of a model that say how long it lives. */
export const lifeSchema = closed({
  deprecated: day("The day from which the provider advises against the model."),
  retires: day(
    "The day on which the provider shuts the model down. From its beginning, in UTC, the model is off at the address that stands in this file, unless its `enabled` is true.",
  ),
  retired: day("The same, of a model that is gone already."),
  instead: text("The model that takes its place."),
});

/**
 * The life of a model, as a channel's file and the presets below it say (`layers`, the channel's own first). There is none where the channel leads
 * to another address than the provider's: `isReplaced`, or a `base_url` in a layer above the one with the day. Mistakes go to `problems`.
 */
export function lifeOf(
  id: string,
  located: Located<ChannelSettings>,
  { layers, isReplaced }: { layers: readonly string[]; isReplaced: boolean },
  problems: Problems,
): Life | undefined {
  const spec = located.value.models[id] ?? {};
  const { deprecated, retires, retired, instead, enabled } = spec;
  if (retires && retired)
    problems.add(located, ["models", id, "retired"], `models.${id}.retired: retires says when already; write one of them`, { at: "key" });
  const last = retired ?? retires ?? undefined;
  if (instead && !last && !deprecated)
    problems.add(located, ["models", id, "instead"], `models.${id}.instead: it takes the place of a model with a day; write retires`, {
      at: "key",
    });
  if (isReplaced || !(last || deprecated)) return undefined;
  const layerOf = (...path: string[]) => layers.indexOf(located.places.get(keyOf(path))?.source.file ?? "");
  const dated = Math.max(...(["deprecated", "retires", "retired"] as const).map((key) => (spec[key] ? layerOf("models", id, key) : -1)));
  if (layerOf("base_url") < dated) return undefined;
  return { deprecated: deprecated ?? undefined, shutdown: last, instead: instead ?? undefined, kept: enabled === true };
}

type Ending = Life & { shutdown: string };

/** The moment at which a day begins, in epoch milliseconds. */
export function beginOf(day: string): number {
  return Date.parse(day);
}

/** True for a model that its provider has shut down, and that the operator does not keep on. `now` is in epoch milliseconds. */
export function isOver(life: Life | undefined, now: number): life is Ending {
  return life?.shutdown !== undefined && !life.kept && beginOf(life.shutdown) <= now;
}

/** Says what became of a model, or will: `is shut down by its provider on 2026-12-01; use b`. */
export function endInWords({ shutdown, instead }: Pick<Life, "shutdown" | "instead">, now: number): string {
  const verb = shutdown !== undefined && beginOf(shutdown) <= now ? "was" : "is";
  return `${verb} shut down by its provider on ${shutdown}${instead === undefined ? "" : `; use ${instead}`}`;
}

/** Notice of a model's end that `check` and `status` give, in milliseconds: 60 days, in which clients can be moved to another model. */
export const notice = 60 * 24 * 60 * 60 * 1000;

/** True for a model that is on, and has no more than 60 days to live. */
export function isEnding(life: Life | undefined, now: number): life is Ending {
  return life?.shutdown !== undefined && !isOver(life, now) && beginOf(life.shutdown) - notice <= now;
}
