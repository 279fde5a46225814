// Lists the models that clients can ask for, with the routes that serve each.
import type { Channel, Route } from "../channels/route.ts";
import type { Door } from "../door/compile.ts";
import type { CompiledModel } from "../schema/models.ts";
import type { Sharing } from "./choose.ts";
import type { KeepAfterHangup } from "./client.ts";

/** A public model with the routes that serve it, those of the first priority first. */
export interface ModelEntry {
  id: string;
  schema: CompiledModel;
  routes: readonly Route[];
  /** How channels of one priority share the requests. */
  sharing: Sharing;
  /** Models that may stand in for it, in this order. */
  fallback: readonly string[];
}

/** The configuration in force. A request takes the table once, and keeps it to its end. */
export interface Table {
  channels: readonly Channel[];
  models: ReadonlyMap<string, ModelEntry>;
  /** Milliseconds of a whole request, over all attempts and waits; without bound when absent. */
  timeout?: number;
  /** Milliseconds after which a request in progress is answered, unless it is a stream; without bound when absent. */
  answerWithin?: number;
  /** Milliseconds for which an outcome that may have been paid for is given again instead of a new order; 0 when absent. */
  repeatWithin?: number;
  /** Requests whose client has hung up; when absent they go on for as long as their repeats may come. */
  keepAfterHangup?: KeepAfterHangup;
  /** A header that has the cost too, and for which answers wait. */
  costHeader?: string;
  /** The model of requests that name none; they are refused when absent. */
  defaultModel?: string;
  /** The other APIs that clients may speak. */
  doors?: readonly Door[];
}

/** Settings of the operator for all channels together. */
export interface TableOptions {
  sharing?: Sharing;
  timeout?: number;
  answerWithin?: number;
  repeatWithin?: number;
  keepAfterHangup?: KeepAfterHangup;
  costHeader?: string;
  defaultModel?: string;
  doors?: readonly Door[];
  /** The models that may stand in for a model. */
  fallback?: Readonly<Record<string, readonly string[]>>;
}

export function createTable(
  { channels, routes }: { channels: readonly Channel[]; routes: readonly Route[] },
  { sharing = "weight", fallback = {}, ...settings }: TableOptions = {},
): Table {
  const models = new Map<string, ModelEntry>();
  // The sort is stable: within a priority the order is that of the files.
  for (const route of [...routes].sort((a, b) => a.priority - b.priority)) {
    const { id } = route.model;
    const entry = models.get(id);
    const standIns = Object.hasOwn(fallback, id) ? (fallback[id] ?? []) : [];
    models.set(id, { id, schema: route.schema, routes: [...(entry?.routes ?? []), route], sharing, fallback: standIns });
  }
  return { channels, models, ...settings };
}
