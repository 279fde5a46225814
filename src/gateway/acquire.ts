// Takes a slot and pictures from all the limits of a request, or nothing from any of them.
import type { ScopedLimit } from "./candidate.ts";
import type { SharedState } from "./shared-state.ts";

/** The scope whose slots are all taken, or the milliseconds until it has enough pictures. */
export type Refusal = { full: string } | { wait: number };

/** Slots and pictures that were taken. */
export interface Acquired {
  /** Free the slots. */
  free: () => void;
  /** Free the slots and give the pictures back, where nothing was ordered. */
  undo: () => Promise<void>;
}

/** Take a slot and so many pictures from each limit. Resolves with how they are freed, or with the reason for taking nothing. */
export async function acquire(state: SharedState, limits: readonly ScopedLimit[], pictures: number): Promise<Acquired | Refusal> {
  const slots: (() => void)[] = [];
  const taken: { scope: string; perMinute: number }[] = [];
  const free = () => slots.splice(0).forEach((one) => one());
  const undo = async () => {
    free();
    for (const { scope, perMinute } of taken.splice(0)) await state.giveBack(scope, pictures, perMinute);
  };
  for (const { scope, concurrency } of limits) {
    if (concurrency === undefined) continue;
    const slot = await state.enter(scope, concurrency);
    if (!slot) {
      free();
      return { full: scope };
    }
    slots.push(slot);
  }
  for (const { scope, imagesPerMinute: perMinute } of limits) {
    if (perMinute === undefined) continue;
    const wait = await state.take(scope, pictures, perMinute);
    if (wait > 0) {
      await undo();
      return { wait };
    }
    taken.push({ scope, perMinute });
  }
  return { free, undo };
}
