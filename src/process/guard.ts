// The last guard of a process that serves.
import { lastCalls } from "./messages.ts";
import type { Serving } from "./serve.ts";

/**
 * The last guard: what is thrown where nothing catches it, such as in a timer, is logged with its request, and `fail` is called the first time. Nobody
 * knows what such an error left behind, so that the process must end; but those who wait for their pictures need not pay for it.
 */
export function guard(serving: Pick<Serving, "blame">, fail: () => Promise<void>): void {
  let hasFailed = false;
  process.on("uncaughtException", (error, origin) => {
    serving.blame(error, origin);
    if (hasFailed) return;
    hasFailed = true;
    process.exitCode = 1;
    void fail().finally(() => setTimeout(() => process.exit(1), lastCalls).unref());
  });
}
