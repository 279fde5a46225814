// Reads the durations of channel files, and waits for real time.
import { setTimeout } from "node:timers/promises";

/** The JSON Schema of a duration in an operator's file. */
export const duration = { type: "string", title: "a duration; write 500ms, 90s, 10m or 1h", pattern: "^[0-9]+(ms|s|m|h)$" } as const;

/** Converts `500ms`, `90s`, `10m` or `1h` to milliseconds. The grammar has checked the text. */
export function milliseconds(duration: string): number {
  const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  return parseInt(duration, 10) * units[duration.replace(/^\d+/, "") as keyof typeof units];
}

/** Waits for `time` milliseconds of real time. Rejects with the signal's reason when the signal aborts. */
export async function wait(time: number, signal: AbortSignal): Promise<void> {
  try {
    await setTimeout(time, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
