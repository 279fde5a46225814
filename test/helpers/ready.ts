// Waits for a real server that was started a moment ago.
import { setTimeout as delay } from "node:timers/promises";

/** Asks until it works, for 20 s at most. Rejects with the last error. */
export async function untilReady(ask: () => Promise<unknown>): Promise<void> {
  for (const until = performance.now() + 20_000; ;) {
    try {
      await ask();
      return;
    } catch (error) {
      if (performance.now() > until) throw error;
      await delay(50);
    }
  }
}
