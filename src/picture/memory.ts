// Shares the memory that a process may use for pictures among its requests, in their order.

/** A process's memory for pictures. */
export interface Memory {
  /** True if this many more bytes are within the limit. While nothing is used, any number of bytes fits. */
  fits: (bytes: number) => boolean;
  /** Opens the account of a request. */
  account: () => Account;
}

/** The memory that one request uses. */
export interface Account {
  isClosed: () => boolean;
  /** Uses this many bytes at once, even beyond the limit. Throws if the account is closed. */
  use: (bytes: number) => void;
  /** Gives back this many of the account's bytes, or all that it has if they are fewer. */
  giveBack: (bytes: number) => void;
  /**
   * Waits in the queue until this many bytes are within the limit, and uses them. An account that already uses some gets more at once, since it
   * might otherwise wait for itself. Rejects with the signal's reason, or if the account is closed.
   */
  room: (bytes: number, signal: AbortSignal) => Promise<void>;
  /** Gives everything back. */
  close: () => void;
}

interface Waiter {
  bytes: number;
  enter: () => void;
}

/** Makes the memory of a process, of `limit` bytes. */
export function createMemory(limit: number): Memory {
  const queue: Waiter[] = [];
  let used = 0;
  const fits = (bytes: number) => used === 0 || used + bytes <= limit;
  const free = (bytes: number) => {
    used -= bytes;
    for (let next = queue[0]; next && fits(next.bytes); next = queue[0]) {
      queue.shift();
      next.enter();
    }
  };

  function account(): Account {
    let own = 0;
    let closed = false;
    const isClosed = () => closed;
    const use = (bytes: number) => {
      if (closed) throw over();
      used += bytes;
      own += bytes;
    };
    const giveBack = (bytes: number) => {
      const given = Math.min(bytes, own);
      own -= given;
      free(given);
    };
    const room = async (bytes: number, signal: AbortSignal) => {
      signal.throwIfAborted();
      if (own > 0 || (queue.length === 0 && fits(bytes))) use(bytes);
      else await turn(queue, { bytes, use, isClosed, left: () => free(0) }, signal);
    };
    const close = () => {
      closed = true;
      giveBack(own);
    };
    return { isClosed, use, giveBack, room, close };
  }

  return { fits, account };
}

/** Resolves when the queue has let these bytes in and they are in use. `left` is called where the signal ends the waiting. */
function turn(
  queue: Waiter[],
  { bytes, use, isClosed, left }: { bytes: number; left: () => void } & Pick<Account, "use" | "isClosed">,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((done, fail) => {
    const leave = () => {
      queue.splice(queue.indexOf(waiter), 1);
      left();
      fail(signal.reason as Error);
    };
    const waiter: Waiter = {
      bytes,
      enter: () => {
        signal.removeEventListener("abort", leave);
        // `fail`, not throw: this runs within another request's `giveBack`, which must not get the error of this request.
        if (isClosed()) {
          fail(over());
          return;
        }
        use(bytes);
        done();
      },
    };
    signal.addEventListener("abort", leave, { once: true });
    queue.push(waiter);
  });
}

/** The error for a request that uses its account after the account was closed. */
export function over(): Error {
  return new Error("the request is over");
}
