// Finds the door that a request comes through, its key, and what its templates see of it.
import type { ParsedUrlQuery } from "node:querystring";
import type { Context, Next } from "koa";
import type { Door, DoorRoute, KeyPlace } from "../door/compile.ts";
import { camelCased, type Foreign } from "../door/understand.ts";
import type { Table } from "../gateway/table.ts";
import { basicKeyIn, bearerKeyIn, keyIn } from "./client-keys.ts";
import type { Gateway, RequestState } from "./gateway.ts";

/** A door with the part of it that a request is for. */
export interface AtDoor {
  door: Door;
  /** The route; absent where the path takes other methods. */
  route?: DoorRoute;
  /** The parameters of the path. */
  path: Record<string, string>;
  /** The methods that the path takes. */
  methods: readonly string[];
}

/** Notes the door that a request comes through, so that all that follows answers in its API. */
export function findDoor(gateway: Gateway) {
  return async function findDoor(ctx: Context, next: Next): Promise<void> {
    const { doors } = gateway.table();
    const found = doors && doorOf(doors, ctx);
    if (found) (ctx.state as RequestState).door = found;
    await next();
  };
}

function doorOf(doors: readonly Door[], ctx: Context): AtDoor | undefined {
  const wanted = ctx.method === "HEAD" ? "GET" : ctx.method;
  for (const { door, routes } of candidatesFor(doors, ctx.path)) {
    const fitting = routesAt(routes, ctx);
    const [first] = fitting;
    if (!first) continue;
    const { route, path } = fitting.find((one) => one.route.method === wanted) ?? { path: first.path };
    return { door, path, methods: [...new Set(fitting.map((one) => one.route.method))], ...(route && { route }) };
  }
  return undefined;
}

interface Candidate {
  door: Door;
  routes: readonly DoorRoute[];
}

/** The routes of doors by the first segment of their paths; `undefined` has those that begin with a parameter, which everything else has too. */
type Lookup = ReadonlyMap<string | undefined, readonly Candidate[]>;

const lookups = new WeakMap<readonly Door[], Lookup>();

/** The routes that a path may be of, by door: every request is looked up, and few come through a door. */
function candidatesFor(doors: readonly Door[], path: string): readonly Candidate[] {
  let lookup = lookups.get(doors);
  if (!lookup) lookups.set(doors, (lookup = lookupOf(doors)));
  return lookup.get(firstOf(path)) ?? lookup.get(undefined) ?? [];
}

function lookupOf(doors: readonly Door[]): Lookup {
  const first = ({ path }: DoorRoute) => (firstOf(path.template).includes("{") ? undefined : firstOf(path.template));
  const beginning = (segment: string | undefined) =>
    doors.flatMap((door) => {
      const routes = door.routes.filter((route) => [segment, undefined].includes(first(route)));
      return routes.length > 0 ? [{ door, routes }] : [];
    });
  return new Map([undefined, ...doors.flatMap(({ routes }) => routes.map(first))].map((segment) => [segment, beginning(segment)]));
}

/** The first segment of a path; paths fit in either case. */
function firstOf(path: string): string {
  return path.split("/", 2)[1]?.toLowerCase() ?? "";
}

/** The routes whose address a request has, with the parameters of its path. */
export function routesAt(
  routes: readonly DoorRoute[],
  asked: { path: string; query: ParsedUrlQuery },
): { route: DoorRoute; path: Record<string, string> }[] {
  return routes.flatMap((route) => {
    const path = route.path.parametersOf(asked.path);
    return path && route.path.query.every(([name, value]) => asked.query[name] === value) ? [{ route, path }] : [];
  });
}

/** The key that a request through a door carries; undefined where it has none. */
export function doorKeyIn(ctx: Context, { door: { keys } }: AtDoor): string | undefined {
  if (!keys) return keyIn(ctx.req.headers);
  for (const place of keys) {
    const key = keyAt(ctx, place)?.trim();
    if (key) return key;
  }
  return undefined;
}

function keyAt(ctx: Context, place: KeyPlace): string | undefined {
  const { authorization = "" } = ctx.req.headers;
  switch (place.kind) {
    case "bearer":
      return bearerKeyIn(authorization);
    case "basic":
      return basicKeyIn(authorization);
    case "header":
      return place.match ? place.match.exec(ctx.get(place.name))?.[1] : ctx.get(place.name);
    case "query":
      return [ctx.query[place.name]].flat()[0];
  }
}

/** The places where the key of a door may stand, as the end of a sentence. */
export function keyHint({ door: { keys = [{ kind: "bearer" }] } }: AtDoor): string {
  const words = keys.map((place) => {
    if (place.kind === "bearer") return "the header Authorization: Bearer <key>";
    if (place.kind === "basic") return "the key as the password of Basic authentication";
    return place.kind === "header" ? `the header ${place.name}` : `the parameter ${place.name} of the query`;
  });
  return words.join(", or ");
}

/** A request as the templates of its door see it. The key is nowhere in it. */
export function foreignOf(
  asked: Pick<Context, "headers" | "query">,
  { defaultModel = "" }: Pick<Table, "defaultModel">,
  { door, path }: Pick<AtDoor, "door" | "path">,
  body: Record<string, unknown>,
): Omit<Foreign, "kept"> {
  const headers = Object.entries(asked.headers).flatMap(([name, value]) =>
    value === undefined || secret.has(name) || isKey(door, "header", name) ? [] : [[name, [value].flat().join(", ")] as const],
  );
  return {
    body: door.camelCase ? camelCased(body) : body,
    path,
    query: foreignQuery(asked, door),
    headers: Object.fromEntries(headers),
    default_model: defaultModel,
  };
}

/** The choices that this client has made at a door, where its route reads them. */
export async function keptFor(ctx: Context, { choices }: Gateway, { door, route }: AtDoor): Promise<Foreign["kept"]> {
  const { client } = ctx.state as RequestState;
  return client && route?.serves.readsKept ? ((await choices?.of(client.id, door.name)) ?? {}) : {};
}

/** The parameters of the query, without the key. */
export function foreignQuery({ query: given }: Pick<Context, "query">, door: Door): Record<string, string> {
  const query = Object.entries(given).flatMap(([name, value]) => {
    const [text] = [value].flat();
    return text === undefined || isKey(door, "query", name) ? [] : [[name, text] as const];
  });
  return Object.fromEntries(query);
}

function isKey({ keys = [] }: Door, kind: "header" | "query", name: string): boolean {
  return keys.some((place) => "name" in place && place.kind === kind && place.name === name);
}

const secret = new Set(["authorization", "api-key", "x-api-key", "cookie", "proxy-authorization"]);
