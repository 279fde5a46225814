// Signals that abort at a deadline.
/** Milliseconds; a timer set to more would ring at once. */
const longestTimer = 2 ** 31 - 1;

/** A signal that aborts with another, or on its own account. */
export interface Deadline {
  signal: AbortSignal;
  /** Abort it now; it follows the other no more. */
  stop: (reason: unknown) => void;
  /** The time does not count any more. */
  clear: () => void;
  /** Nor does the other: what it was for is over. */
  leave: () => void;
}

/** Let something end with `signal`, or, where it has a time, after so many milliseconds with an error of its own. */
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
