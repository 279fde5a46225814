import { createHash } from "node:crypto";
import type { Channel, Route } from "../channels/route.ts";
import type { Key } from "../net/auth/key.ts";

/** One way to serve a request: a route with one of its channel's keys. Made once for each route. */
export interface Candidate {
  route: Route;
  key: Key | undefined;
  /** What can be at rest by itself. */
  subjects: Subjects;
  /** The limits on its way. */
  gates: readonly Gate[];
}

/** A limit that requests share. */
export interface Gate {
  subject: string;
  concurrency?: number;
  imagesPerMinute?: number;
}

/** Names of what requests share, the same in every instance. A key's holds a hash in place of the key. */
export interface Subjects {
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
  const ofKey = keySubject(channel, key);
  const subjects = { channel: channel.name, route: `${channel.name}/${model.id}`, key: ofKey, keyOnRoute: `${ofKey}/${model.id}` };
  const gates = [
    { subject: subjects.channel, ...channel.limits.all },
    { subject: subjects.key, ...channel.limits.perKey },
    { subject: subjects.route, ...route.limits.all },
    { subject: subjects.keyOnRoute, ...route.limits.perKey },
  ];
  const isLimit = ({ concurrency, imagesPerMinute }: Gate) => concurrency !== undefined || imagesPerMinute !== undefined;
  return { route, key, subjects, gates: gates.filter(isLimit) };
}

/** What a key of a channel is called where it must not be shown. */
export function keySubject({ name }: Pick<Channel, "name">, key: Key | undefined): string {
  if (key === undefined) return `${name}#`;
  return `${name}#${createHash("sha256")
    .update(JSON.stringify([name, key]))
    .digest("hex")
    .slice(0, 16)}`;
}
