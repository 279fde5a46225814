// Describes a client and the rights that the operator gives it.
import type { Budget } from "../ledger/spending.ts";

/** Requests whose client has hung up go on, each to its end, or none does. */
export type KeepAfterHangup = "always" | "never";

/** A caller, and its rights. */
export interface Client {
  /** Names it in the ledger, where it must stay the same over restarts and keys that come and go. */
  id: string;
  name: string;
  /** True for the public names of the models that it may use. */
  allows: (model: string) => boolean;
  /** Pictures that may be begun in a minute; no limit when absent. */
  imagesPerMinute?: number;
  /** Requests at once; no limit when absent. */
  concurrency?: number;
  /** Jobs that may wait or be under way; the usual number when absent. */
  jobs?: number;
  /** Its requests after it has hung up; as those of all clients when absent. */
  keepAfterHangup?: KeepAfterHangup;
  /** Lets it name the channel. */
  mayPin: boolean;
  /** True for the names of the webhooks that its jobs may name; none when absent. */
  mayName?: (webhook: string) => boolean;
  /** The keys that sign events to URLs of its own; its jobs may name no URL when absent. */
  webhookSecrets?: readonly Buffer[];
  /** The most that it may spend; nothing bounds it when absent. */
  budgets?: readonly Budget[];
  /** Refuses it what nobody knows the price of beforehand. */
  refusesUnpriced?: boolean;
  /** Epoch milliseconds at which its key expires; never when absent. */
  expires?: number;
}

/** A client without limits, known by its key alone. */
export function unlimitedClient(id: string, name: string): Client {
  return Object.freeze({ id, name, allows: () => true, mayPin: true, mayName: () => true });
}

/** True for the names that match one of these patterns, in which `*` stands for anything. */
export function allowsOnly(patterns: readonly string[]): (model: string) => boolean {
  const wholes = patterns.map(
    (pattern) => new RegExp(`^${pattern.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll(/\*+/g, ".*")}$`, "s"),
  );
  return (model) => wholes.some((whole) => whole.test(model));
}
