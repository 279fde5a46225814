// Measures how long this process works, and how long its event loop is kept busy, whatever else the machine runs meanwhile.

/** Work takes so many times as long while each branch is counted. */
const counting = process.env.NODE_V8_COVERAGE === undefined ? 1 : 2.5;

/**
 * Milliseconds of this process's own work after which others have their turn, whatever comes: `/livez` is to be answered within 100. The same
 * work takes half as long again where the machine's other processes share its caches.
 */
export const longestTurn = 200 * counting;

/** Milliseconds of this process's own work that an answer or an image may take in all, however hostile. */
export const longestWork = 5000 * counting;

/** A watch over the event loop of this process. */
export interface Turns {
  /** The longest turn that has ended since the watch began or was reset, in milliseconds. */
  longest(): number;
  reset(): void;
  stop(): void;
}

/** Watch the event loop of this process. */
export function watchTurns(): Turns {
  let longest = 0;
  let turn = stopwatch();
  const look = () => {
    longest = Math.max(longest, turn());
    turn = stopwatch();
  };
  const timer = setInterval(look, 5);
  return {
    longest: () => longest,
    reset: () => {
      turn = stopwatch();
      longest = 0;
    },
    stop: () => {
      look();
      clearInterval(timer);
    },
  };
}

/** Gives the milliseconds that have passed since, without those in which the machine was busy with other processes. */
export function stopwatch(): () => number {
  const began = performance.now();
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return Math.min(performance.now() - began, (user + system) / 1000);
  };
}
