import { GatewayError } from "../errors.ts";

/** A line in front of work that takes cores and memory. It is bounded, so that a crowd is refused and does not pile up in memory. */
export interface Turns {
  /** Throws `no_channel_available` where the line is full: asked before a picture is ordered that could not be worked on. */
  admit(): void;
  /**
   * Do the work on that many pixels when its turn comes. Rejects with `no_channel_available` at once where the line is full, and
   * with the signal's reason where that aborts before the work began. Work on what was `ordered` already, and may have to be paid for, is
   * never refused.
   */
  take<T>(pixels: number, signal: AbortSignal, work: () => Promise<T>, how?: { ordered: boolean }): Promise<T>;
}

/** At most `running` works at a time, `waiting` behind them, and `pixels` in all of them together. */
export function createTurns(limits: { running: number; waiting: number; pixels: number }): Turns {
  const line: (() => void)[] = [];
  let running = 0;
  let pixels = 0;

  function admit(more = 1): void {
    if (line.length < limits.waiting && pixels + more <= limits.pixels) return;
    throw new GatewayError("no_channel_available", "too many pictures are being converted at the moment; try again later", {
      retryAfter: 1,
    });
  }

  function turn(signal: AbortSignal): Promise<void> {
    if (running < limits.running) {
      running += 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const begin = () => {
        signal.removeEventListener("abort", leave);
        running += 1;
        resolve();
      };
      const leave = () => {
        line.splice(line.indexOf(begin), 1);
        reject(signal.reason as Error);
      };
      signal.addEventListener("abort", leave, { once: true });
      line.push(begin);
    });
  }

  return {
    admit: () => admit(),
    async take(own, signal, work, { ordered } = { ordered: false }) {
      signal.throwIfAborted();
      if (!ordered) admit(own);
      pixels += own;
      try {
        await turn(signal);
        try {
          return await work();
        } finally {
          running -= 1;
          line.shift()?.();
        }
      } finally {
        pixels -= own;
      }
    },
  };
}
