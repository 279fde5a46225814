// Reads a channel's limits and cool-down.
import { milliseconds } from "../dialect/duration.ts";

/** How long something is left alone that fails: after so many failures in a row, `first` milliseconds, doubled each time up to `max`. */
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
  /** Milliseconds that one waits in line, at most. */
  queueTimeout: number;
}

/** `limits` as a file says them. */
export interface LimitsSpec extends LimitSpec {
  timeout?: string;
  connect?: string;
  first_byte?: string;
  queue?: number;
  queue_timeout?: string;
  per_key?: LimitSpec;
}

interface LimitSpec {
  concurrency?: number;
  images_per_minute?: number;
}

/** The limits that requests share. */
export function limitsOf(spec: LimitsSpec | null | undefined): Limits {
  // A model deletes with null what a preset says of it.
  const limitOf = (limit: LimitSpec | null | undefined) => ({
    concurrency: limit?.concurrency ?? undefined,
    imagesPerMinute: limit?.images_per_minute ?? undefined,
  });
  return { all: limitOf(spec), perKey: limitOf(spec?.per_key) };
}

export interface CoolDownSpec {
  after?: number;
  first?: string;
  max?: string;
}

/** `cool_down` of a channel, with what is usual. */
export function coolDownOf({ after = 3, first = "5s", max = "5m" }: CoolDownSpec = {}): CoolDown {
  return { after, first: milliseconds(first), max: milliseconds(max) };
}

/** The limits that a model of a channel says itself. */
export function ownLimits(value: Readonly<Record<string, unknown>>, id: string): LimitsSpec | null | undefined {
  return (value.models as Record<string, { limits?: LimitsSpec | null } | null>)[id]?.limits;
}

/** `limits` of a channel itself. */
export function channelLimits(spec: LimitsSpec = {}): ChannelLimits {
  return { ...limitsOf(spec), queue: spec.queue ?? 100, queueTimeout: milliseconds(spec.queue_timeout ?? "1m") };
}
