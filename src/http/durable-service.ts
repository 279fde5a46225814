// Puts together what serves requests that outlive their connections.
import type { Logger } from "pino";
import type { Client } from "../gateway/client.ts";
import { createDeliverer } from "../gateway/deliverer.ts";
import { isUrl, type Webhook } from "../gateway/delivery.ts";
import { createDurable, type DurableParts } from "../gateway/durable.ts";
import { jobEvent } from "../gateway/job-event.ts";
import { movedOn } from "../gateway/order-log.ts";
import { ownName } from "../ledger/owner.ts";
import { createRunner } from "../gateway/runner.ts";
import { takeUp } from "../gateway/take-up.ts";
import { GatewayError } from "../errors.ts";
import { eventTypes } from "../ledger/deliveries.ts";
import type { Gateway } from "./gateway.ts";
import type { DurableService, LedgerLives } from "./durable.ts";
import { count, countAttempt, countCost } from "./respond.ts";

type Parts = Pick<DurableParts, "ledger" | "enter"> &
  Pick<Gateway, "store" | "spool" | "routing" | "fetchPicture" | "traces" | "metrics" | "table" | "keys" | "publicUrl"> & {
    log: Logger;
    lives: () => LedgerLives;
    /** The webhooks of the operator's files, by name. */
    webhooks: () => ReadonlyMap<string, Webhook>;
    /** Requests without a client that are served at once. */
    atOnce: () => number;
  };

/** The service; `handOver` leaves to others what can go on there, and `close` takes nothing more and leaves the rest. */
export interface RunningService extends DurableService {
  handOver: () => void;
  close: () => Promise<void>;
}

export function createDurableService(parts: Parts): RunningService {
  const { ledger, metrics, store, spool, log, table, keys, lives, webhooks, atOnce } = parts;
  const owner = ownName();
  const durable = createDurable({
    ...parts,
    reachable: parts.publicUrl !== undefined,
    attempted: (attempt) => countAttempt(attempt, metrics),
    billed: (attempt) => countCost(attempt, metrics),
    completed: ({ entry, channel, ...made }) => count(made, entry, { channel }, { metrics }),
  });
  let served = 0;
  const runner = createRunner({
    ledger,
    owner,
    log,
    room: () => atOnce() - served,
    serve: async (row) => {
      served += 1;
      await takeUp(row, { durable, ledger, store, spool, log, table, client: (id) => keys.byId(id), answerLife: lives().answers }).finally(
        () => (served -= 1),
      );
      runner.wake();
    },
    underWay: durable.all,
    lost: (id, row) => {
      // Pictures of an order that was given up elsewhere may still come.
      if (row?.status === "unknown") return;
      const isCancelled = row === undefined || row.status === "cancelled";
      durable.find(id)?.end(isCancelled ? new GatewayError("cancelled", "the request was cancelled") : movedOn());
    },
  });
  const deliverer = createDeliverer({
    ledger,
    log,
    webhookOf: ({ webhook, client }) => (isUrl(webhook) ? ownWebhook(webhook, keys.byId(client)) : webhooks().get(webhook)),
    eventOf: (delivery, row) => jobEvent(delivery, row, { store, publicUrl: parts.publicUrl }),
    attempted: ({ webhook }, outcome) => metrics.webhookAttempts.inc({ webhook: isUrl(webhook) ? "url" : webhook, outcome }),
  });
  deliverer.start();
  const handOver = () => {
    // Otherwise this process would take again at once all that it leaves to others.
    runner.rest();
    deliverer.rest();
    durable.handOver();
  };
  const close = async () => {
    await Promise.all([runner.close(), deliverer.close()]);
  };
  return { durable, ledger, owner, lives, webhooks, wake: runner.wake, handOver, close };
}

/** The webhook that a client names by its URL. */
function ownWebhook(url: string, client: Client | undefined): Webhook | undefined {
  return client?.webhookSecrets && { url, secrets: client.webhookSecrets, mayBePrivate: false, events: eventTypes };
}
