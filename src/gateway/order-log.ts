// Writes into the ledger how far the orders of a request have come.
import type { Logger } from "pino";
import type { AcceptedTask, OrderLog } from "../dialect/orders.ts";
import { GatewayError } from "../errors.ts";
import { Unavailable } from "../ledger/database.ts";
import { keepDocument } from "../ledger/documents.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { RequestPatch, RequestRow } from "../ledger/row.ts";
import type { PictureStore } from "../picture/store.ts";
import { keyScope, type Candidate } from "./candidate.ts";

interface Parts {
  ledger: Ledger;
  store: PictureStore;
  log: Logger;
  /** Seconds for which documents are kept. */
  life: number;
  /** Keep what was asked; resolves with the document's id. */
  keepInput: () => Promise<string>;
}

/** Makes, for each attempt of a request, the log of its orders. `row` is kept as the ledger has it. */
export function orderLogs(row: RequestRow, { ledger, store, log, life, keepInput }: Parts): (candidate: Candidate) => OrderLog {
  return ({ route, key }) => {
    const { channel, model } = route;
    const documents: string[] = [];
    let sending: Promise<void> | undefined;

    const write = async (patch: RequestPatch) => {
      if (!(await ledger.update(row.id, patch, ["in_progress"], row.owner)))
        // It was taken over, or cancelled, while this process stood still.
        throw movedOn();
      Object.assign(row, patch);
    };
    const begin = () =>
      write({ phase: "sending", channel: channel.name, startedAt: row.startedAt ?? Date.now(), task: undefined }).catch(
        (error: unknown) => {
          throw error instanceof Unavailable ? ledgerAway(error) : error;
        },
      );
    const accept = async (task: AcceptedTask) => {
      documents.push(await keepDocument(store, task, life));
      row.input ??= await keepInput();
      const handle = { channel: channel.name, model: model.id, key: keyScope(channel, key), documents: [...documents] };
      const patch: RequestPatch = { phase: "accepted", task: handle, input: row.input };
      await write(patch).catch((error: unknown) => {
        if (!(error instanceof Unavailable)) throw error;
        // It is written as soon as the ledger is back: this process may end before the task does.
        ledger.record({ ...Object.assign(row, patch) });
      });
    };
    const done: number[] = [];
    const follow = () => {
      const index = done.push(0) - 1;
      return (percent: number) => {
        done[index] = percent;
        const progress = Math.floor(done.reduce((sum, one) => sum + one, 0) / done.length);
        // The calls of a fan-out begin one after the other, and what is shown must not fall.
        if (!row.job || progress <= (row.progress ?? 0)) return;
        row.progress = progress;
        void ledger.update(row.id, { progress }, ["in_progress"]).catch(() => undefined);
      };
    };
    return {
      follow,
      // The calls of a fan-out share one.
      sending: () => (sending ??= begin()),
      accepted: (task) => accept(task).catch((error: unknown) => log.warn({ err: error }, "an accepted task is not in the ledger")),
      outlives: (reason) => reason instanceof GatewayError && reason.code === "shutting_down" && row.task !== undefined,
    };
  };
}

/** Ends a request here with which another process goes on. */
export function movedOn(): GatewayError {
  return new GatewayError("shutting_down", "the gateway is shutting down; another process goes on with the request", { retryAfter: 1 });
}

/** The client's error where something has to be durable and cannot be. */
export function ledgerAway(cause: unknown): GatewayError {
  return new GatewayError("ledger_unavailable", "the gateway cannot keep this request safe at the moment, and nothing was ordered", {
    retryAfter: 5,
    cause,
  });
}
