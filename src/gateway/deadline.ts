// Bounds the time of a request or an attempt by an abort signal.

/** Milliseconds; a timer set to more would fire at once. */
export const longestTimer = 2 ** 31 - 1;

/** A signal that aborts with another signal, when its time is over, or when it is stopped. */
export interface Deadline {
  signal: AbortSignal;
  /** Abort it now, and stop following the other signal. */
  stop: (reason: unknown) => void;
  /** Remove the limit of time. */
  clear: () => void;
  /** Remove the limit of time, and stop following the other signal: the work is done. */
  leave: () => void;
}

/** A signal that aborts with `signal`, and with `time` after so many milliseconds too, with the error that `late` makes. */
export function deadline(signal: AbortSignal, time?: { milliseconds: number; late: () => Error }): Deadline {
  const own = new AbortController();
  const follow = () => own.abort(signal.reason);
  if (signal.aborted) follow();
  signal.addEventListener("abort", follow, { once: true });
  const timer = time && setTimeout(() => own.abort(time.late()), Math.min(time.milliseconds, longestTimer));
  const clear = () => clearTimeout(timer);
  const leave = () => {
    clear();
    signal.removeEventListener("abort", follow);
  };
  const stop = (reason: unknown) => {
    leave();
    own.abort(reason);
  };
  return { signal: own.signal, stop, clear, leave };
}
