// Does work again and again, with a pause after each time, until it is closed.
import type { Logger } from "pino";
import { messageOf } from "../errors.ts";

export interface Rounds {
  /** Do the work now, and again after each pause in milliseconds; the function does it at once. */
  begin: (pause: number, work: () => Promise<unknown>) => () => void;
  /** True once it is being closed. */
  isClosing: () => boolean;
  /** Begin no more, and wait for what is under way. */
  close: () => Promise<void>;
}

/** Rounds of work with the ledger: where that is away, each is tried again. */
export function createRounds(log: Logger): Rounds {
  const closing = new AbortController();
  const running: Promise<void>[] = [];
  const wakers = new Set<() => void>();

  async function run(work: () => Promise<unknown>, sleep: () => Promise<void>): Promise<void> {
    while (!closing.signal.aborted) {
      // The ledger says itself that it is away.
      await work().catch((error: unknown) => log.debug({ reason: messageOf(error) }, "the ledger was not read"));
      await sleep();
    }
  }

  return {
    begin: (pause, work) => {
      let wake = () => {};
      wakers.add(() => wake());
      const sleep = () =>
        new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, pause).unref();
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
          if (closing.signal.aborted) wake();
        });
      running.push(run(work, sleep));
      return () => wake();
    },
    isClosing: () => closing.signal.aborted,
    close: async () => {
      closing.abort();
      for (const wake of wakers) wake();
      await Promise.all(running);
    },
  };
}
