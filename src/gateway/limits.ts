import { GatewayError } from "../errors.ts";
import type { Candidate, Gate } from "./candidate.ts";
import type { SharedState } from "./shared-state.ts";

/** A client's own limits. */
export interface ClientLimits {
  name: string;
  concurrency?: number;
  imagesPerMinute?: number;
}

/** A place for one attempt on a candidate. */
export interface Lease {
  candidate: Candidate;
  leave: () => void;
}

/** A place, or why there is none: all are taken, or there is one in so many milliseconds. */
export type Entry = Lease | { full: string } | { wait: number };

/** How many requests run at once, and how many pictures a minute has. */
export interface Limits {
  /** Take a place for an attempt; `pictures` are those it asks for. */
  enter: (candidate: Candidate, pictures: number) => Promise<Entry>;
  /**
   * Stand in line until one of these has a place. Resolves with nothing where the lines are full, nobody left in time, or the signal
   * aborts.
   */
  wait: (candidates: readonly Candidate[], pictures: number, signal: AbortSignal) => Promise<Lease | undefined>;
  /** A client's request begins; gives what ends it. Throws a 429 where its limits are reached. */
  enterClient: (client: ClientLimits, pictures: number) => Promise<() => void>;
  inFlight: (channel: string) => number;
  waiting: (channel: string) => number;
  /** Milliseconds until a place may be free, as it looks. */
  expected: (candidates: readonly Candidate[]) => number;
}

interface Waiter {
  candidates: readonly Candidate[];
  pictures: number;
  isServed: boolean;
  serve: (lease?: Lease) => void;
}

/** Milliseconds after which a line is looked at again, where others may have left without a word. */
const lookAgain = 200;

/** Milliseconds after which a client may try again, at most, where nobody knows it better. */
const longestAdvice = 60_000;

export function createLimits(state: SharedState, { every = lookAgain }: { every?: number } = {}): Limits {
  const running = new Map<string, number>();
  const lines = new Map<string, Set<Waiter>>();
  const durations = new Map<string, number>();
  const inFlight = (channel: string) => running.get(channel) ?? 0;
  const waiting = (channel: string) => lines.get(channel)?.size ?? 0;

  async function pass(gates: readonly Gate[], pictures: number): Promise<(() => void) | { full: string } | { wait: number }> {
    const places: (() => void)[] = [];
    const leave = () => places.splice(0).forEach((giveBack) => giveBack());
    for (const { subject, concurrency } of gates) {
      if (concurrency === undefined) continue;
      const place = await state.enter(subject, concurrency);
      if (!place) {
        leave();
        return { full: subject };
      }
      places.push(place);
    }
    const taken: Gate[] = [];
    for (const gate of gates) {
      const { subject, imagesPerMinute } = gate;
      if (imagesPerMinute === undefined) continue;
      const wait = await state.take(subject, pictures, imagesPerMinute);
      if (wait > 0) {
        leave();
        for (const other of taken) await state.giveBack(other.subject, pictures, other.imagesPerMinute ?? 0);
        return { wait };
      }
      taken.push(gate);
    }
    return leave;
  }

  async function admit(candidate: Candidate, pictures: number): Promise<Entry> {
    const passed = await pass(candidate.gates, pictures);
    if (typeof passed !== "function") return passed;
    const { name } = candidate.route.channel;
    const began = performance.now();
    running.set(name, inFlight(name) + 1);
    return {
      candidate,
      leave: () => {
        running.set(name, inFlight(name) - 1);
        // What ended last counts most: a mean of all that ever were would never learn.
        durations.set(name, 0.8 * (durations.get(name) ?? 0) + 0.2 * (performance.now() - began));
        passed();
        if (waiting(name) > 0) serveLine(name);
      },
    };
  }

  const turns = new Map<string, Promise<void>>();
  const queued = new Set<string>();
  const alarms = new Map<string, { at: number; timer: NodeJS.Timeout }>();

  /** Serve those in a channel's line who can be, in their order; one look after the other, so that none is overtaken. */
  function serveLine(channel: string): void {
    // A look that has not begun will see all that is new by then.
    if (queued.has(channel)) return;
    queued.add(channel);
    const turn = (turns.get(channel) ?? Promise.resolve()).then(async () => {
      queued.delete(channel);
      await look(channel);
      // Places of other instances become free without a word.
      if (state.standing() !== "own" && waiting(channel) > 0) lookIn(channel, every);
    });
    turns.set(channel, turn);
  }

  async function look(channel: string): Promise<void> {
    for (const waiter of lines.get(channel) ?? []) {
      const refused = await serveOne(waiter, channel);
      if (refused && "full" in refused && refused.full === channel) return;
      if (refused && "wait" in refused) lookIn(channel, refused.wait);
    }
  }

  /** Look at a line in so many milliseconds, unless that is done sooner: each look is at all who wait, and one alarm is enough for them. */
  function lookIn(channel: string, milliseconds: number): void {
    const at = performance.now() + milliseconds;
    const alarm = alarms.get(channel);
    if (alarm && alarm.at <= at) return;
    clearTimeout(alarm?.timer);
    const ring = () => {
      alarms.delete(channel);
      serveLine(channel);
    };
    alarms.set(channel, { at, timer: setTimeout(ring, milliseconds).unref() });
  }

  async function serveOne(waiter: Waiter, channel: string): Promise<Exclude<Entry, Lease> | undefined> {
    let refused: Exclude<Entry, Lease> | undefined;
    for (const candidate of waiter.candidates) {
      if (candidate.route.channel.name !== channel) continue;
      const entry = await admit(candidate, waiter.pictures);
      if ("leave" in entry) {
        if (waiter.isServed) entry.leave();
        else waiter.serve(entry);
        return undefined;
      }
      refused = entry;
    }
    return refused;
  }

  return {
    inFlight,
    waiting,
    // Who comes now does not overtake those who stand in line.
    enter: async (candidate, pictures) =>
      waiting(candidate.route.channel.name) > 0 ? { full: candidate.route.channel.name } : admit(candidate, pictures),
    wait: (candidates, pictures, signal) => {
      const channels = [...new Set(candidates.map(({ route }) => route.channel))].filter(
        ({ name, limits }) => waiting(name) < limits.queue,
      );
      if (channels.length === 0 || signal.aborted) return Promise.resolve(undefined);
      return new Promise((resolve) => {
        const leave = () => waiter.serve();
        const late = setTimeout(leave, Math.max(...channels.map(({ limits }) => limits.queueTimeout)));
        const waiter: Waiter = {
          candidates,
          pictures,
          isServed: false,
          serve: (lease) => {
            waiter.isServed = true;
            clearTimeout(late);
            signal.removeEventListener("abort", leave);
            for (const { name } of channels) lines.get(name)?.delete(waiter);
            resolve(lease);
          },
        };
        signal.addEventListener("abort", leave);
        for (const { name } of channels) {
          const line = lines.get(name) ?? new Set();
          lines.set(name, line.add(waiter));
          serveLine(name);
        }
      });
    },
    enterClient: async ({ name, ...limits }, pictures) => {
      const passed = await pass([{ subject: `client:${name}`, ...limits }], pictures);
      if (typeof passed === "function") return passed;
      const [seconds, what] = "wait" in passed ? [Math.ceil(passed.wait / 1000), "pictures in a minute"] : [1, "requests at once"];
      throw new GatewayError("rate_limit_exceeded", `this key may have no more ${what}; try again in ${seconds} s`, {
        retryAfter: seconds,
      });
    },
    expected: (candidates) =>
      Math.min(
        longestAdvice,
        ...candidates.map(({ route: { channel } }) => {
          const { name } = channel;
          return ((durations.get(name) ?? 0) * (waiting(name) + 1)) / Math.max(1, inFlight(name));
        }),
      ),
  };
}
