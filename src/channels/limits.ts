// Reads a channel's limits and cool-down.
import { duration, milliseconds } from "../dialect/duration.ts";
import type { Deletable, FromSchema } from "../schema/from-schema.ts";
import { closed } from "../schema/parts.ts";

/** The cool-down after `after` failures in a row: `first` milliseconds, doubled each time up to `max`. */
export interface CoolDown {
  after: number;
  first: number;
  max: number;
}

/** Requests at once, and pictures in a minute; unlimited where it is absent. */
export interface Limit {
  concurrency?: number;
  imagesPerMinute?: number;
}

/** The limits of all requests, and those of the requests with one key. */
export interface Limits {
  all: Limit;
  perKey: Limit;
}

export interface ChannelLimits extends Limits {
  /** Requests that may wait in line for a place. */
  queue: number;
  /** The longest wait of a request in the queue, in milliseconds. */
  queueTimeout: number;
}

const limit = closed({
  concurrency: { type: "integer", minimum: 1, description: "Requests that run at once; without bound when omitted." },
  images_per_minute: { type: "integer", minimum: 1, description: "Pictures asked for in a minute; without bound when omitted." },
});

export const limitsSchema = closed({
  timeout: {
    ...duration,
    description: "The longest an attempt may take, without downloading and converting the pictures that are made; 10m when omitted.",
  },
  connect: { ...duration, description: "The longest to reach the provider; 10s when omitted." },
  first_byte: { ...duration, description: "The longest until an answer begins; as long as the attempt when omitted." },
  ...limit.properties,
  queue: {
    type: "integer",
    minimum: 0,
    description: "Requests that wait in line where `concurrency` is reached; 100 when omitted. The next gets a 429.",
  },
  queue_timeout: { ...duration, description: "The longest a request waits in line; 1m when omitted." },
  per_key: { ...limit, description: "Limits of each key." },
});

export const coolDownSchema = closed({
  after: { type: "integer", minimum: 1, description: "Failures in a row after which it is left alone for a while; 3 when omitted." },
  first: { ...duration, description: "For how long at first; 5s when omitted. Each time it is doubled." },
  max: { ...duration, description: "For how long at most; 5m when omitted." },
});

type LimitSpec = FromSchema<typeof limit>;
/** `limits` as a file says them. */
export type LimitsSpec = FromSchema<typeof limitsSchema>;

/** The limits that requests share. */
export function limitsOf(spec: Deletable<LimitsSpec> | undefined): Limits {
  // A model deletes with null what a preset says of it.
  const limitOf = (limit: Deletable<LimitSpec> | undefined) => ({
    concurrency: limit?.concurrency ?? undefined,
    imagesPerMinute: limit?.images_per_minute ?? undefined,
  });
  return { all: limitOf(spec), perKey: limitOf(spec?.per_key) };
}

/** `cool_down` of a channel, with what is usual. */
export function coolDownOf({ after = 3, first = "5s", max = "5m" }: FromSchema<typeof coolDownSchema> = {}): CoolDown {
  return { after, first: milliseconds(first), max: milliseconds(max) };
}

/** `limits` of a channel itself. */
export function channelLimits(spec: LimitsSpec = {}): ChannelLimits {
  return { ...limitsOf(spec), queue: spec.queue ?? 100, queueTimeout: milliseconds(spec.queue_timeout ?? "1m") };
}
