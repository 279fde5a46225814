// Orders the ways to serve a request: by priority, weight or load, and the keys of a channel in turn.
import type { Route } from "../channels/route.ts";
import { candidatesOf, type Candidate } from "./candidate.ts";

/** How channels of the same priority share requests: by chance in proportion to their `weight`, or by the fewest attempts in flight. */
export type Sharing = "weight" | "least_in_flight";

interface Choice {
  sharing: Sharing;
  /** From 0 to below 1. */
  random: () => number;
  /** Attempts in flight on a channel. */
  inFlight: (channel: string) => number;
  /** The number of the key of a channel that comes first this time. */
  turn: (route: Route) => number;
}

/** Every way to serve a request, in the order in which they are tried: by priority, then as the channels share, and a channel's keys in turn. */
export function order(routes: readonly Route[], choice: Choice): Candidate[] {
  return shared(routes, choice).flatMap((route) => {
    const candidates = candidatesOf(route);
    const first = candidates.length === 1 ? 0 : choice.turn(route) % candidates.length;
    return [...candidates.slice(first), ...candidates.slice(0, first)];
  });
}

function shared(routes: readonly Route[], { sharing, random, inFlight }: Choice): readonly Route[] {
  if (routes.length === 1) return routes;
  return routes
    .map((route) => {
      // Each route has the smallest of these draws in proportion to its weight, and the order of the others follows the same rule.
      const draw = -Math.log(1 - random()) / route.weight;
      const load = sharing === "weight" ? 0 : inFlight(route.channel.name) / route.weight;
      return { route, load, draw };
    })
    .sort((a, b) => a.route.priority - b.route.priority || a.load - b.load || a.draw - b.draw)
    .map(({ route }) => route);
}
