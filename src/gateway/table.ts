import type { Channel, Route } from "../channels/route.ts";
import type { CompiledModel } from "../schema/models.ts";

/** A public model with the routes that serve it, in the order they are asked. */
export interface ModelEntry {
  id: string;
  schema: CompiledModel;
  routes: readonly Route[];
}

/** What is in force. A request takes the table once and lives with it. */
export interface Table {
  channels: readonly Channel[];
  models: ReadonlyMap<string, ModelEntry>;
}

export function createTable({ channels, routes }: { channels: readonly Channel[]; routes: readonly Route[] }): Table {
  const models = new Map<string, ModelEntry>();
  // The sort is stable: within a priority the order is that of the files.
  for (const route of [...routes].sort((a, b) => a.priority - b.priority)) {
    const { id } = route.model;
    const entry = models.get(id);
    models.set(id, { id, schema: route.schema, routes: [...(entry?.routes ?? []), route] });
  }
  return { channels, models };
}
