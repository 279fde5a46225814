// Bounds how many requests run at once and how many pictures a minute has, for channels, keys, models and clients.
import { GatewayError } from "../errors.ts";
import { acquire, type Refusal } from "./acquire.ts";
import type { Candidate } from "./candidate.ts";
import { createQueues } from "./queues.ts";
import type { SharedState } from "./shared-state.ts";
import { createTraffic } from "./traffic.ts";

/** A client's own limits. */
export interface ClientLimits {
  name: string;
  concurrency?: number;
  imagesPerMinute?: number;
}

/** A slot for one attempt on a candidate. */
export interface Lease {
  candidate: Candidate;
  /** The attempt is over. */
  release: () => void;
  /** No attempt is made: the slot is freed, and its pictures are given back. */
  cancel: () => Promise<void>;
}

/** How many requests run at once, and how many pictures a minute has. */
export interface Limits {
  /** Take a slot for an attempt; `pictures` are those it asks for. */
  enter: (candidate: Candidate, pictures: number) => Promise<Lease | Refusal>;
  /**
   * Wait in the queue until one of these has a slot. Resolves with nothing where the queues are full, no slot came free in time, or the
   * signal aborts.
   */
  wait: (candidates: readonly Candidate[], pictures: number, signal: AbortSignal) => Promise<Lease | undefined>;
  /** A client's request begins; the function that this gives ends it. Throws a 429 where the client's limits are reached. */
  enterClient: (client: ClientLimits, pictures: number) => Promise<() => void>;
  inFlight: (channel: string) => number;
  waiting: (channel: string) => number;
  /** An estimate of the milliseconds until a slot is free. */
  expected: (candidates: readonly Candidate[]) => number;
}

/** Time after which a queue is looked at again, in milliseconds: other instances may have freed slots. */
export const usualInterval = 200;

/**
 * Longest time after which a client is asked to try again on the strength of an estimate, in milliseconds: estimates of more are worth
 * nothing.
 */
export const longestEstimate = 60_000;

export function createLimits(state: SharedState, { every = usualInterval }: { every?: number } = {}): Limits {
  const { inFlight, duration, begin } = createTraffic();

  async function admit(candidate: Candidate, pictures: number): Promise<Lease | Refusal> {
    const acquired = await acquire(state, candidate.limits, pictures);
    if (!("free" in acquired)) return acquired;
    const { name } = candidate.route.channel;
    const end = begin(name);
    const serveNext = () => {
      if (waiting(name) > 0) queues.serve(name);
    };
    return {
      candidate,
      release: () => {
        end();
        acquired.free();
        serveNext();
      },
      cancel: async () => {
        end();
        await acquired.undo();
        serveNext();
      },
    };
  }

  // Other instances free their slots without notice.
  const queues = createQueues(admit, () => (state.standing() === "own" ? undefined : every));
  const waiting = queues.length;

  return {
    inFlight,
    waiting,
    wait: queues.wait,
    // A new request does not overtake those in the queue.
    enter: async (candidate, pictures) =>
      waiting(candidate.route.channel.name) > 0 ? { full: candidate.route.channel.name } : admit(candidate, pictures),
    enterClient: async ({ name, ...limits }, pictures) => {
      const acquired = await acquire(state, [{ scope: `client:${name}`, ...limits }], pictures);
      if (!("free" in acquired)) throw clientRefusal(acquired);
      return acquired.free;
    },
    expected: (candidates) =>
      Math.min(
        longestEstimate,
        ...candidates.map(({ route: { channel } }) => {
          const { name } = channel;
          return (duration(name) * (waiting(name) + 1)) / Math.max(1, inFlight(name));
        }),
      ),
  };
}

function clientRefusal(refusal: Refusal): GatewayError {
  const [seconds, what] = "wait" in refusal ? [Math.ceil(refusal.wait / 1000), "pictures in a minute"] : [1, "requests at once"];
  return new GatewayError("rate_limit_exceeded", `this key may have no more ${what}; try again in ${seconds} s`, { retryAfter: seconds });
}
