// Delivers the events of jobs, again and again until they are taken.
import { messageOf } from "../errors.ts";
import type { Delivery } from "../ledger/deliveries.ts";
import { deliver, type DeliveryParts } from "./delivery.ts";
import { createRounds } from "./rounds.ts";

export interface Deliverer {
  /** Look for events that are due, from now on. */
  start: () => void;
  /** Begin what is due and finds room; resolves with how many that were. */
  deliverDue: () => Promise<number>;
  /** Resolves when no attempt is under way. */
  idle: () => Promise<void>;
  /** Begin no more attempts. */
  rest: () => void;
  /** The same, and end those under way; they are made again. */
  close: () => Promise<void>;
}

/** Time between two looks for events that are due, in milliseconds: an event is sent at most that late. */
export const look = 1_000;

/** Time after which an event is sent again whose process has gone, in milliseconds: no attempt takes as long. */
export const lease = 60_000;

/** Events that one process sends at once: each holds a connection for as long as its receiver takes. */
export const mostAtOnce = 50;

/** Events that one process sends to one webhook at once: one that hangs must not hold up the others. */
export const mostTogether = 10;

export function createDeliverer(parts: DeliveryParts): Deliverer {
  const { ledger, log, now = Date.now } = parts;
  const closing = new AbortController();
  const underWay = new Map<Delivery, Promise<void>>();
  const rounds = createRounds(log);
  let isTaking = true;
  let wake = () => {};

  async function deliverDue(): Promise<number> {
    const limit = isTaking ? Math.min(mostTogether, mostAtOnce - underWay.size) : 0;
    if (limit <= 0) return 0;
    const except = [...new Set([...underWay.keys()].map(({ webhook }) => webhook))];
    const begun = now();
    const taken = await ledger.deliveries.take({ now: begun, until: begun + lease, limit, except });
    for (const delivery of taken) underWay.set(delivery, attempt(delivery));
    return taken.length;
  }

  async function attempt(delivery: Delivery): Promise<void> {
    try {
      await deliver(delivery, parts, closing.signal);
    } catch (error) {
      log.debug({ event: delivery.id, reason: messageOf(error) }, "an attempt to deliver was broken off");
      if (closing.signal.aborted) await ledger.deliveries.settle(delivery, { status: "waiting", nextAt: now() }).catch(() => undefined);
    } finally {
      underWay.delete(delivery);
      wake();
    }
  }

  const deliverAllDue = async () => {
    while ((await deliverDue()) > 0);
  };
  const idle = async () => {
    while (underWay.size > 0) await Promise.all(underWay.values());
  };
  return {
    start: () => (wake = rounds.begin(look, deliverAllDue)),
    deliverDue,
    idle,
    rest: () => (isTaking = false),
    close: async () => {
      isTaking = false;
      closing.abort();
      await rounds.close();
      await idle();
    },
  };
}
