// Describes the paths of doors, from what their files declare.
import type { Door, DoorRoute, KeyPlace } from "../door/compile.ts";
import { saidError } from "./door-errors.ts";
import { unknownModel } from "./models.ts";
import { json } from "./openapi-parts.ts";
import { ref, type Json } from "./openapi-shapes.ts";

/** The description of doors: their paths, their tags, and how their keys are passed. */
export interface DescribedDoors {
  paths: Json;
  tags: Json[];
  securitySchemes: Json;
}

/** Describe doors. Routes that differ only in their query are one operation, since a path of OpenAPI has none. */
export function describeDoors(doors: readonly Door[]): DescribedDoors {
  const paths: Record<string, Json> = {};
  for (const door of doors)
    for (const routes of grouped(door.routes)) {
      const [{ method, path }] = routes;
      paths[path.template] = { ...paths[path.template], [method.toLowerCase()]: operation(door, routes) };
    }
  return {
    paths,
    tags: doors.map((door) => ({ name: tagOf(door), description: door.description })),
    securitySchemes: Object.fromEntries(doors.flatMap(({ keys = [] }) => keys.map((place) => [schemeName(place), scheme(place)]))),
  };
}

type Group = [DoorRoute, ...DoorRoute[]];

/** The routes of one method and one path, which differ in their query. */
function grouped(routes: readonly DoorRoute[]): Group[] {
  const groups = new Map<string, Group>();
  for (const route of routes) {
    const address = `${route.method} ${route.path.template}`;
    const group = groups.get(address);
    if (group) group.push(route);
    else groups.set(address, [route]);
  }
  return [...groups.values()];
}

const tagOf = ({ name }: Door) => `door ${name}`;

function operation(door: Door, routes: Group): Json {
  const [{ method, path }] = routes;
  const fields = [...new Set(routes.flatMap(({ fields }) => fields))];
  const drawings = routes.flatMap(({ serves }) => (serves.kind === "drawing" ? [serves] : []));
  const streams = drawings.some(({ events }) => Object.keys(events).length > 0);
  return {
    operationId: `${door.name}${`-${method}${path.template}`.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}`,
    summary: [...new Set(routes.map(summaryOf))].join(" "),
    ...(drawings.length > 0 && { description: "Fields that the door does not read are dropped, and reported in `x-pictor-changes`." }),
    tags: [tagOf(door)],
    ...(door.keys && { security: door.keys.map((place) => ({ [schemeName(place)]: [] })) }),
    parameters: [...pathParameters(routes), ...queryParameters(routes)],
    ...(fields.length > 0 &&
      method !== "GET" && {
        requestBody: {
          required: drawings.length > 0,
          content: json(bodyOf(fields, Object.assign({}, ...drawings.map(({ defaults }) => defaults)) as Json)),
        },
      }),
    responses: {
      200: {
        description: "The answer, as this API has it.",
        content: { ...json({}), ...(streams && { "text/event-stream": { schema: { type: "string" } } }) },
      },
      "4XX": failure(door),
      "5XX": failure(door),
    },
  };
}

/** Summarises a route in one sentence. */
function summaryOf({ serves }: DoorRoute): string {
  if (serves.kind === "drawing") return serves.operation === "edit" ? "Edit pictures." : "Make pictures.";
  if (serves.job) return "Show a job.";
  if (serves.keep.length > 0) return "Keep a choice of this client.";
  return serves.model ? "Show a model." : "Answer what clients of this API ask for.";
}

function pathParameters([{ path }]: Group): Json[] {
  return path.parameters.map(({ name, mayHoldSlashes }) => ({
    name,
    in: "path",
    required: true,
    ...(mayHoldSlashes && { description: "It may hold slashes." }),
    schema: { type: "string" },
  }));
}

/** The parameters of the query by which the routes of a path differ. */
function queryParameters(routes: Group): Json[] {
  const names = [...new Set(routes.flatMap(({ path }) => path.query.map(([name]) => name)))];
  return names.map((name) => {
    const values = routes.map(({ path }) => path.query.find(([own]) => own === name)?.[1]);
    return {
      name,
      in: "query",
      required: !values.includes(undefined),
      schema: { enum: [...new Set(values)].filter((value) => value !== undefined) },
    };
  });
}

/** The fields of a body that are read, by path: a file of a door says no types. */
function bodyOf(fields: readonly string[], defaults: Json, above = ""): Json {
  const names = [...new Set(fields.map((field) => field.split(".")[0] ?? ""))];
  const properties = names.map((name) => {
    const path = above + name;
    const below = fields.flatMap((field) => (field.startsWith(`${name}.`) ? [field.slice(name.length + 1)] : []));
    const usual = Object.hasOwn(defaults, path) && { default: defaults[path] };
    return [name, { ...(below.length > 0 && bodyOf(below, defaults, `${path}.`)), ...usual }] as const;
  });
  return { type: "object", properties: Object.fromEntries(properties) };
}

/** Errors in the shape that the door says, with one as an example. */
function failure(door: Door): Json {
  const [, body] = saidError(door, { id: "req_", path: {}, query: {} }, unknownModel("nobody")) ?? [];
  if (body === undefined) return { description: "An error, in OpenAI's shape.", content: json(ref("Error")) };
  return {
    description: "An error, in the shape of this API.",
    content: { "application/json": { schema: {}, example: JSON.parse(body) as unknown } },
  };
}

function schemeName(place: KeyPlace): string {
  if (place.kind === "bearer") return "key";
  return place.kind === "basic" ? "basic" : `${place.kind}-${place.name.replaceAll(/[^\w.-]/g, "_")}`;
}

function scheme(place: KeyPlace): Json {
  const description = "A client key of this gateway.";
  if (place.kind === "bearer") return { type: "http", scheme: "bearer", description };
  if (place.kind === "basic") return { type: "http", scheme: "basic", description: "A client key of this gateway, as the password." };
  const within = place.kind === "header" && place.match ? ` It is the first group of \`${place.match.source}\`.` : "";
  return { type: "apiKey", in: place.kind, name: place.name, description: description + within };
}
