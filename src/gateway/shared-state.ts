import { RateLimiterMemory, RateLimiterRes, type RateLimiterAbstract } from "rate-limiter-flexible";
import type { Told } from "./health.ts";

/** What several requests, and with Redis several instances, count and know together. Nothing here ever rejects. */
export interface SharedState {
  /** Take one of `limit` places; resolves with what gives it back, or with nothing where all are taken. */
  enter(subject: string, limit: number): Promise<(() => void) | undefined>;
  /** Take pictures of those that a minute has; resolves with 0, or with the milliseconds until there are enough. */
  take(subject: string, pictures: number, perMinute: number): Promise<number>;
  /** Give back what was taken for nothing. */
  giveBack(subject: string, pictures: number, perMinute: number): Promise<void>;
  /** Be the one of all instances that tries a subject, for so many milliseconds at most; resolves with whether that is so. */
  claim(subject: string, milliseconds: number): Promise<boolean>;
  /** Tell the other instances of a subject's health. */
  tell(subject: string, told: Told): void;
  /** Be told what the others learn. */
  listen(hear: (subject: string, told: Told) => void): void;
  /** Give a note on some topic to the other processes and instances, as far as they can be reached. It must survive JSON. */
  share(topic: string, note: unknown): void;
  /** Receive what others share on a topic. */
  onShared(topic: string, receive: (note: unknown) => void): void;
  /** Whether it is one process's own, shared, or should be shared and cannot be for now. */
  standing: () => "own" | "shared" | "alone";
  close(): Promise<void>;
}

/** Places, counted in this process. */
export function createPlaces(): (subject: string, limit: number) => (() => void) | undefined {
  const taken = new Map<string, number>();
  return (subject, limit) => {
    const count = taken.get(subject) ?? 0;
    if (count >= limit) return undefined;
    taken.set(subject, count + 1);
    return () => {
      const left = (taken.get(subject) ?? 1) - 1;
      if (left > 0) taken.set(subject, left);
      else taken.delete(subject);
    };
  };
}

/** Take pictures from a limiter that rejects when there are not enough. */
export async function takeFrom(limiter: RateLimiterAbstract, subject: string, pictures: number): Promise<number> {
  // More than a minute has would never be there: such a request takes a whole one.
  const points = Math.min(pictures, limiter.points);
  try {
    await limiter.consume(subject, points);
    return 0;
  } catch (refusal) {
    if (!(refusal instanceof RateLimiterRes)) throw refusal;
    // The library counts what it refuses.
    await limiter.reward(subject, points);
    return Math.max(1, refusal.msBeforeNext);
  }
}

/** Receivers of notes by topic. */
export function createReceivers() {
  const receivers = new Map<string, (note: unknown) => void>();
  return {
    add: (topic: string, receive: (note: unknown) => void) => void receivers.set(topic, receive),
    receive: (topic: string, note: unknown) => receivers.get(topic)?.(note),
  };
}

/** One limiter for each limit. */
export function createLimiters<T>(make: (perMinute: number) => T): (perMinute: number) => T {
  const limiters = new Map<number, T>();
  return (perMinute) => {
    const limiter = limiters.get(perMinute) ?? make(perMinute);
    limiters.set(perMinute, limiter);
    return limiter;
  };
}

/** A way to the other processes of this machine; each gets what the others send. */
export interface Siblings {
  send(message: { topic: string; note: unknown }): void;
  listen(receive: (message: { topic: string; note: unknown }) => void): void;
}

/** The state of one process, which shares notes alone with its siblings. `minute` is in seconds, for tests that cannot wait. */
export function createMemoryState({ minute = 60, siblings }: { minute?: number; siblings?: Siblings } = {}): SharedState {
  const receivers = createReceivers();
  siblings?.listen(({ topic, note }) => receivers.receive(topic, note));
  const places = createPlaces();
  const limiterOf = createLimiters((perMinute) => new RateLimiterMemory({ points: perMinute, duration: minute }));
  return {
    enter: (subject, limit) => Promise.resolve(places(subject, limit)),
    take: (subject, pictures, perMinute) => takeFrom(limiterOf(perMinute), subject, pictures),
    giveBack: async (subject, pictures, perMinute) => {
      await limiterOf(perMinute).reward(subject, Math.min(pictures, perMinute));
    },
    claim: () => Promise.resolve(true),
    tell: () => undefined,
    listen: () => undefined,
    share: (topic, note) => siblings?.send({ topic, note }),
    onShared: receivers.add,
    standing: () => "own",
    close: () => Promise.resolve(),
  };
}
