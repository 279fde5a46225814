// Queues work that takes cores and memory.
import { GatewayError } from "../errors.ts";
import { traced, type Trace } from "../trace.ts";

/** A line in front of work that takes cores and memory. It is bounded, so that a crowd is refused and does not pile up in memory. */
export interface Turns {
  /** Throws `no_channel_available` where the line is full: asked before a picture is ordered that could not be worked on. */
  admit(): void;
  /**
   * Do the work on that many pixels when its turn comes. Rejects with `no_channel_available` at once where the line is full, and
   * with the signal's reason where that aborts before the work began. Work on what was `ordered` already, and may have to be paid for, is
   * never refused. It is a part of what is done at the place `trace`.
   */
  take<T>(pixels: number, signal: AbortSignal, work: () => Promise<T>, how?: { ordered?: boolean; trace?: Trace }): Promise<T>;
}

/**
 * At most `running` works at a time, on `atOnce` pixels together, `waiting` behind them, and `pixels` in all of them together. Work on more
 * than `atOnce` runs alone.
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

  /** Those in front go first, also where one behind them would fit: large ones would never have their turn. */
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
