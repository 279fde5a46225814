// Says how long a model lives, on all the channels that serve it together.
import { isOver, type Life } from "../channels/life.ts";
import type { Route } from "../channels/route.ts";
import type { ModelEntry, Table } from "./table.ts";

/** The routes of a model that its providers still serve. `now` is in epoch milliseconds. */
export function livingRoutes({ routes }: Pick<ModelEntry, "routes">, now: number): readonly Route[] {
  return routes.filter(({ life }) => !isOver(life, now));
}

/** The models that are not shut down on every channel, with their living routes. `now` is in epoch milliseconds. */
export function livingModels({ models }: Table, now: number): ModelEntry[] {
  return [...models.values()].map((entry) => ({ ...entry, routes: livingRoutes(entry, now) })).filter(({ routes }) => routes.length > 0);
}

/**
 * The life of a model on these routes together: it lives for as long as the last of them, and is deprecated where all are. Nothing is known of its end
 * where nothing is known of one of theirs.
 */
export function lifeOn(routes: readonly Pick<Route, "life">[]): Pick<Life, "deprecated" | "shutdown" | "instead"> {
  const latest = (days: readonly (string | undefined)[]) => (days.includes(undefined) ? undefined : days.toSorted().at(-1));
  const shutdown = latest(routes.map(({ life }) => life?.shutdown));
  const deprecated = latest(routes.map(({ life }) => life?.deprecated ?? life?.shutdown));
  const instead = routes.find(({ life }) => life?.instead !== undefined)?.life?.instead;
  return { deprecated, shutdown, instead };
}
