// Takes a slot and pictures from all the limits of a request, or nothing from any of them.
import type { ScopedLimit } from "./candidate.ts";
import type { SharedState } from "./shared-state.ts";

/** The scope whose slots are all taken, or the milliseconds until it has enough pictures. */
export type Refusal = { full: string } | { wait: number };

/** Take a slot and so many pictures from each limit. Resolves with the function that frees the slots, or with the reason for taking nothing. */
export async function acquire(state: SharedState, limits: readonly ScopedLimit[], pictures: number): Promise<(() => void) | Refusal> {
  const slots: (() => void)[] = [];
  const release = () => slots.splice(0).forEach((free) => free());
  for (const { scope, concurrency } of limits) {
    if (concurrency === undefined) continue;
    const slot = await state.enter(scope, concurrency);
    if (!slot) {
      release();
      return { full: scope };
    }
    slots.push(slot);
  }
  const taken: { scope: string; perMinute: number }[] = [];
  for (const { scope, imagesPerMinute: perMinute } of limits) {
    if (perMinute === undefined) continue;
    const wait = await state.take(scope, pictures, perMinute);
    if (wait > 0) {
      release();
      for (const other of taken) await state.giveBack(other.scope, pictures, other.perMinute);
      return { wait };
    }
    taken.push({ scope, perMinute });
  }
  return release;
}
