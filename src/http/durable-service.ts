// Puts together what serves requests that outlive their connections.
import type { Logger } from "pino";
import { createDurable, type DurableParts } from "../gateway/durable.ts";
import { ownName } from "../gateway/owner.ts";
import { createRunner } from "../gateway/runner.ts";
import { takeUp } from "../gateway/take-up.ts";
import { GatewayError } from "../errors.ts";
import type { Gateway } from "./gateway.ts";
import type { DurableService, LedgerLives } from "./durable.ts";
import { count, countAttempt } from "./respond.ts";

type Parts = Pick<DurableParts, "ledger" | "enter"> &
  Pick<Gateway, "store" | "spool" | "routing" | "fetchPicture" | "metrics" | "table" | "keys" | "publicUrl"> & {
    log: Logger;
    lives: () => LedgerLives;
    /** Requests without a client that are served at once. */
    atOnce: number;
  };

/** The service; `handOver` leaves to others what can go on there, and `close` takes nothing more and leaves the rest. */
export interface RunningService extends DurableService {
  handOver: () => void;
  close: () => Promise<void>;
}

export function createDurableService(parts: Parts): RunningService {
  const { ledger, metrics, store, log, table, keys, lives, atOnce } = parts;
  const owner = ownName();
  const durable = createDurable({
    ...parts,
    reachable: parts.publicUrl !== undefined,
    attempted: (attempt) => countAttempt(attempt, metrics),
    completed: ({ entry, channel, ...made }) => count(made, entry, { channel }, { metrics }),
  });
  let served = 0;
  const runner = createRunner({
    ledger,
    owner,
    log,
    room: () => atOnce - served,
    serve: async (row) => {
      served += 1;
      await takeUp(row, { durable, ledger, store, log, table, client: (id) => keys.byId(id), answerLife: lives().answers }).finally(
        () => (served -= 1),
      );
      runner.wake();
    },
    underWay: durable.all,
    lost: (id) => durable.find(id)?.end(new GatewayError("cancelled", "the request was cancelled")),
  });
  const handOver = () => {
    // Otherwise this process would take again at once all that it leaves to others.
    runner.rest();
    durable.handOver();
  };
  return { durable, ledger, owner, lives, wake: runner.wake, handOver, close: runner.close };
}
