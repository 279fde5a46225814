// Lists the ways to serve a request on a route, with the scopes and the limits of each.
import { createHash } from "node:crypto";
import type { Limit } from "../channels/limits.ts";
import type { Channel, Route } from "../channels/route.ts";
import type { Key } from "../net/auth/key.ts";

/** A way to serve a request: a route with one of its channel's keys. Made once for each route. */
export interface Candidate {
  route: Route;
  key: Key | undefined;
  /** The scopes that a failure may put in a cool-down, each by itself. */
  scopes: Scopes;
  /** The limits that an attempt has to pass, in this order. */
  limits: readonly ScopedLimit[];
}

/** A limit that all requests of one scope share. */
export interface ScopedLimit extends Limit {
  scope: string;
}

/** Names of what requests share, the same in every instance. A key's holds a hash in place of the key. */
export interface Scopes {
  channel: string;
  /** The channel for this model alone. */
  route: string;
  key: string;
  /** The key for this model alone: providers count requests, and permit them, model by model. */
  keyOnRoute: string;
}

const known = new WeakMap<Route, readonly Candidate[]>();

/** The ways to take a route: one for each key, or one without a key. */
export function candidatesOf(route: Route): readonly Candidate[] {
  const made =
    known.get(route) ?? (route.channel.keys.length === 0 ? [undefined] : route.channel.keys).map((key) => candidateOf(route, key));
  known.set(route, made);
  return made;
}

function candidateOf(route: Route, key: Key | undefined): Candidate {
  const { channel, model } = route;
  const ofKey = keyScope(channel, key);
  const scopes = { channel: channel.name, route: `${channel.name}/${model.id}`, key: ofKey, keyOnRoute: `${ofKey}/${model.id}` };
  const limits = [
    { scope: scopes.channel, ...channel.limits.all },
    { scope: scopes.key, ...channel.limits.perKey },
    { scope: scopes.route, ...route.limits.all },
    { scope: scopes.keyOnRoute, ...route.limits.perKey },
  ];
  const isLimited = ({ concurrency, imagesPerMinute }: ScopedLimit) => concurrency !== undefined || imagesPerMinute !== undefined;
  return { route, key, scopes, limits: limits.filter(isLimited) };
}

/** The scope of a channel's key, which does not show the key. */
export function keyScope({ name }: Pick<Channel, "name">, key: Key | undefined): string {
  if (key === undefined) return `${name}#`;
  return `${name}#${createHash("sha256")
    .update(JSON.stringify([name, key]))
    .digest("hex")
    .slice(0, 16)}`;
}
