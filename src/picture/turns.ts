// A queue for work that takes cores and memory.
import { GatewayError } from "../errors.ts";
import { traced, type Trace } from "../trace.ts";

/** A queue for work that takes cores and memory. It is bounded: when it is full, requests are refused rather than held in memory. */
export interface Turns {
  /** Throws `no_channel_available` if the queue is full. Call it before ordering a picture that needs work. */
  admit(): void;
  /**
   * Does the work on this many pixels when its turn comes. Rejects with `no_channel_available` at once if the queue is full, and with the signal's
   * reason if the signal aborts before the work began. Work on a picture that was already `ordered`, and may have to be paid for, is never refused.
   * The wait and the work are a span below the place `trace`.
   */
  take<T>(pixels: number, signal: AbortSignal, work: () => Promise<T>, how?: { ordered?: boolean; trace?: Trace }): Promise<T>;
}

/**
 * Makes a queue: at most `running` pieces of work run at a time, on at most `atOnce` pixels together, and at most `waiting` wait. All of
 * them together
 * have at most `pixels`. Work on more than `atOnce` pixels runs alone.
 */
export function createTurns(limits: { running: number; waiting: number; pixels: number; atOnce?: number }): Turns {
  const { atOnce = Infinity } = limits;
  const line: { own: number; begin: () => void }[] = [];
  let running = 0;
  let worked = 0;
  let pixels = 0;

  function admit(more = 1): void {
    if (line.length < limits.waiting && pixels + more <= limits.pixels) return;
    throw new GatewayError("no_channel_available", "too many pictures are being converted at the moment; try again later", {
      retryAfter: 1,
    });
  }

  const mayRun = (own: number) => running === 0 || (running < limits.running && worked + own <= atOnce);

  function turn(own: number, signal: AbortSignal): Promise<void> {
    if (line.length === 0 && mayRun(own)) {
      running += 1;
      worked += own;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const begin = () => {
        signal.removeEventListener("abort", leave);
        running += 1;
        worked += own;
        resolve();
      };
      const entry = { own, begin };
      const leave = () => {
        line.splice(line.indexOf(entry), 1);
        reject(signal.reason as Error);
        next();
      };
      signal.addEventListener("abort", leave, { once: true });
      line.push(entry);
    });
  }

  /** Starts work strictly in order, even if a smaller one behind would fit: otherwise large work might never start. */
  function next(): void {
    for (let first = line[0]; first && mayRun(first.own); first = line[0]) {
      line.shift();
      first.begin();
    }
  }

  return {
    admit: () => admit(),
    take: (own, signal, work, { ordered = false, trace } = {}) =>
      traced(trace, { name: "convert", attributes: { "pictor.pixels": own } }, () => inTurn(own, { signal, ordered }, work)),
  };

  async function inTurn<T>(
    own: number,
    { signal, ordered }: { signal: AbortSignal; ordered: boolean },
    work: () => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    if (!ordered) admit(own);
    pixels += own;
    try {
      await turn(own, signal);
      try {
        return await work();
      } finally {
        running -= 1;
        worked -= own;
        next();
      }
    } finally {
      pixels -= own;
    }
  }
}
