// Counts slots and pictures for one process, and says what a state that several instances share must do.
import { RateLimiterMemory, RateLimiterRes, type RateLimiterAbstract } from "rate-limiter-flexible";
import type { Report } from "./health.ts";

/** Counts and reports that several requests share, and with Redis several instances. Nothing here ever rejects. */
export interface SharedState {
  /** Take one of a scope's `limit` slots; resolves with the function that frees it, or with nothing where all are taken. */
  enter(scope: string, limit: number): Promise<(() => void) | undefined>;
  /** Take some of the pictures that a minute has; resolves with 0, or with the milliseconds until there are enough. */
  take(scope: string, pictures: number, perMinute: number): Promise<number>;
  /** Give back pictures that were taken for nothing. */
  giveBack(scope: string, pictures: number, perMinute: number): Promise<void>;
  /** Ask for the only trial of a scope in all instances, for so many milliseconds at most; resolves with whether it is granted. */
  claim(scope: string, milliseconds: number): Promise<boolean>;
  /** Report a scope's health to the other instances. */
  report(scope: string, report: Report): void;
  /** Receive the reports of the other instances. */
  onReport(receive: (scope: string, report: Report) => void): void;
  /**
   * Give a note on some topic to the other processes and instances, as far as they can be reached; some may receive it twice. It must survive
   * JSON. Resolves once it is with them, as far as that can be known soon.
   */
  share(topic: string, note: unknown): Promise<void>;
  /** Receive the notes that others share on a topic. */
  onShared(topic: string, receive: (note: unknown) => void): void;
  /** `own` is one process's state; `shared` is several instances'; `alone` is one that should be shared and cannot be for now. */
  standing: () => "own" | "shared" | "alone";
  close(): Promise<void>;
}

/** Slots, counted in this process. */
export function createSlots(): (scope: string, limit: number) => (() => void) | undefined {
  const taken = new Map<string, number>();
  return (scope, limit) => {
    const count = taken.get(scope) ?? 0;
    if (count >= limit) return undefined;
    taken.set(scope, count + 1);
    return () => {
      const left = (taken.get(scope) ?? 1) - 1;
      if (left > 0) taken.set(scope, left);
      else taken.delete(scope);
    };
  };
}

/** Take pictures from a limiter that rejects when there are not enough. */
export async function takeFrom(limiter: RateLimiterAbstract, scope: string, pictures: number): Promise<number> {
  // No minute ever has more than `limiter.points`: a request for more takes a whole minute.
  const points = Math.min(pictures, limiter.points);
  try {
    await limiter.consume(scope, points);
    return 0;
  } catch (refusal) {
    if (!(refusal instanceof RateLimiterRes)) throw refusal;
    // The library counts refused points too.
    await limiter.reward(scope, points);
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

/** Makes a limiter for each limit once. */
export function createLimiters<T>(make: (perMinute: number) => T): (perMinute: number) => T {
  const limiters = new Map<number, T>();
  return (perMinute) => {
    const limiter = limiters.get(perMinute) ?? make(perMinute);
    limiters.set(perMinute, limiter);
    return limiter;
  };
}

/** A way to the other processes of this machine; each receives the messages of the others. */
export interface Siblings {
  /** Resolves once the others have it, or cannot be waited for any longer. */
  send(message: { topic: string; note: unknown }): Promise<void>;
  listen(receive: (message: { topic: string; note: unknown }) => void): void;
}

/** The state of one process, which shares nothing but notes, with its siblings. `minute` is in seconds, shorter in tests. */
export function createMemoryState({ minute = 60, siblings }: { minute?: number; siblings?: Siblings } = {}): SharedState {
  const receivers = createReceivers();
  siblings?.listen(({ topic, note }) => receivers.receive(topic, note));
  const slots = createSlots();
  const limiterOf = createLimiters((perMinute) => new RateLimiterMemory({ points: perMinute, duration: minute }));
  return {
    enter: (scope, limit) => Promise.resolve(slots(scope, limit)),
    take: (scope, pictures, perMinute) => takeFrom(limiterOf(perMinute), scope, pictures),
    giveBack: async (scope, pictures, perMinute) => {
      await limiterOf(perMinute).reward(scope, Math.min(pictures, perMinute));
    },
    claim: () => Promise.resolve(true),
    report: () => undefined,
    onReport: () => undefined,
    share: async (topic, note) => siblings?.send({ topic, note }),
    onShared: receivers.add,
    standing: () => "own",
    close: () => Promise.resolve(),
  };
}
