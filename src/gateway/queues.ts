// Lets requests wait for a slot, first come, first served, in one queue for each channel.
import type { Refusal } from "./acquire.ts";
import type { Candidate } from "./candidate.ts";
import type { Lease } from "./limits.ts";

export interface Queues {
  length: (channel: string) => number;
  /**
   * Wait in the queues of these candidates' channels until one of them has a slot. Resolves with nothing where the queues are full, the
   * time in the queue is over, or the signal aborts. Rejects where a slot cannot be looked for.
   */
  wait: (candidates: readonly Candidate[], pictures: number, signal: AbortSignal) => Promise<Lease | undefined>;
  /** Serve the requests in a channel's queue that can be served now, in their order. */
  serve: (channel: string) => void;
}

interface Waiter {
  candidates: readonly Candidate[];
  pictures: number;
  isServed: boolean;
  serve: (lease?: Lease) => void;
  fail: (error: Error) => void;
}

type Admit = (candidate: Candidate, pictures: number) => Promise<Lease | Refusal>;

/** `pollInterval` gives the milliseconds after which a queue is looked at again without a reason; with `undefined` it is not. */
export function createQueues(admit: Admit, pollInterval: () => number | undefined): Queues {
  const queues = new Map<string, Set<Waiter>>();
  const length = (channel: string) => queues.get(channel)?.size ?? 0;
  const serve = serially(async (channel) => {
    for (const waiter of queues.get(channel) ?? []) {
      const refusal = await offer(waiter, channel, admit);
      if (refusal && "full" in refusal && refusal.full === channel) break;
      if (refusal && "wait" in refusal) serveIn(channel, refusal.wait);
    }
    const interval = pollInterval();
    if (interval !== undefined && length(channel) > 0) serveIn(channel, interval);
  });
  const serveIn = createAlarms(serve);

  function wait(candidates: readonly Candidate[], pictures: number, signal: AbortSignal): Promise<Lease | undefined> {
    const channels = [...new Set(candidates.map(({ route }) => route.channel))].filter(({ name, limits }) => length(name) < limits.queue);
    if (channels.length === 0 || signal.aborted) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      const leave = () => waiter.serve();
      const timer = setTimeout(leave, Math.max(...channels.map(({ limits }) => limits.queueTimeout)));
      const waiter: Waiter = {
        candidates,
        pictures,
        isServed: false,
        serve: (lease) => {
          over();
          resolve(lease);
        },
        fail: (error) => {
          over();
          reject(error);
        },
      };
      const over = () => {
        waiter.isServed = true;
        clearTimeout(timer);
        signal.removeEventListener("abort", leave);
        for (const { name } of channels) queues.get(name)?.delete(waiter);
      };
      signal.addEventListener("abort", leave);
      for (const { name } of channels) {
        const queue = queues.get(name) ?? new Set();
        queues.set(name, queue.add(waiter));
        serve(name);
      }
    });
  }

  return { length, wait, serve };
}

/** Serve a waiting request on one channel; resolves with the last refusal where no candidate has a slot. */
async function offer(waiter: Waiter, channel: string, admit: Admit): Promise<Refusal | undefined> {
  let refusal: Refusal | undefined;
  for (const candidate of waiter.candidates) {
    if (candidate.route.channel.name !== channel) continue;
    const entry = await admit(candidate, waiter.pictures).catch((error: unknown) => waiter.fail(error as Error));
    // One that cannot be admitted must not stop those behind it.
    if (!entry) return undefined;
    if ("release" in entry) {
      // The time in the queue may have run out, or another channel been quicker.
      if (waiter.isServed) await entry.cancel();
      else waiter.serve(entry);
      return undefined;
    }
    refusal = entry;
  }
  return refusal;
}

/** Run one call after the other for each channel, so that no request overtakes another. */
function serially(run: (channel: string) => Promise<void>): (channel: string) => void {
  const turns = new Map<string, Promise<void>>();
  const queued = new Set<string>();
  return (channel) => {
    // A call that has not begun will see everything that is new by then.
    if (queued.has(channel)) return;
    queued.add(channel);
    const turn = (turns.get(channel) ?? Promise.resolve()).then(() => {
      queued.delete(channel);
      return run(channel);
    });
    turns.set(channel, turn);
  };
}

/** Ring for a channel in so many milliseconds, unless it rings sooner anyway: a queue needs one alarm, however many wait in it. */
function createAlarms(ring: (channel: string) => void): (channel: string, milliseconds: number) => void {
  const alarms = new Map<string, { at: number; timer: NodeJS.Timeout }>();
  return (channel, milliseconds) => {
    const at = performance.now() + milliseconds;
    const alarm = alarms.get(channel);
    if (alarm && alarm.at <= at) return;
    clearTimeout(alarm?.timer);
    const timer = setTimeout(() => {
      alarms.delete(channel);
      ring(channel);
    }, milliseconds);
    alarms.set(channel, { at, timer: timer.unref() });
  };
}
