// Counts the attempts in flight on each channel, and keeps how long they take.

/** Attempts by channel, in this process. */
export interface Traffic {
  inFlight: (channel: string) => number;
  /** Milliseconds that an attempt takes lately; 0 while none has ended. */
  duration: (channel: string) => number;
  /** An attempt begins; the function that this gives ends it. */
  begin: (channel: string) => () => void;
}

export function createTraffic(): Traffic {
  const running = new Map<string, number>();
  const durations = new Map<string, number>();
  const inFlight = (channel: string) => running.get(channel) ?? 0;
  const duration = (channel: string) => durations.get(channel) ?? 0;
  return {
    inFlight,
    duration,
    begin: (channel) => {
      const began = performance.now();
      running.set(channel, inFlight(channel) + 1);
      return () => {
        running.set(channel, inFlight(channel) - 1);
        // The latest attempts count most: a mean of all attempts would hardly follow a provider that changes.
        durations.set(channel, 0.8 * duration(channel) + 0.2 * (performance.now() - began));
      };
    },
  };
}
