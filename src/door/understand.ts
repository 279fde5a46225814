// Reads a request of another API as a unified one.
import { isDeepStrictEqual } from "node:util";
import { GatewayError } from "../errors.ts";
import { ExpressionFailure, isPlainObject, type Variables } from "../expression/cel.ts";
import { isLeftOut, type Rendering, type Template } from "../expression/rendering.ts";
import { polarities, type Polarity } from "../picture/mask.ts";
import type { Change } from "../plugin/context.ts";
import type { Drawing } from "./compile.ts";

/** A request of another API: what the templates of its door see of it. */
export interface Foreign {
  body: Record<string, unknown>;
  path: Record<string, string>;
  query: Record<string, string>;
  headers: Record<string, string>;
  kept: Record<string, unknown>;
  default_model: string;
}

/** A request of another API in the gateway's words. */
export interface Understood {
  /** The fields of the unified request, which nothing has judged. */
  fields: Record<string, unknown>;
  /** The mark in the mask of the pixels that may change. */
  marks: Polarity;
  streams: boolean;
  /** The fields of the body that nothing reads, or that a part of is left out of. */
  changes: Change[];
}

/** Read a request of another API. Throws a 400 for one that the door refuses, or cannot read. */
export function understand(drawing: Drawing, foreign: Foreign): Understood {
  const variables: Variables = { ...foreign };
  return asTheirs(variables, () => {
    for (const { holds, message, param } of drawing.refuse)
      if (holds(variables)) throw new GatewayError("invalid_value", message, { param });
    const used = new Set<string>();
    const changes: Change[] = [];
    const around: Rendering = {
      variables,
      used,
      mapped: (name, from, to) => void changes.push({ field: name.replace(/^body\./, ""), from, to: to }),
    };
    const fields = drawing.request(around);
    const marks = marksIn(drawing.mask?.(around));
    const leftOut = drawing.leftOut.filter(({ holds }) => holds(variables)).map(({ field }) => field);
    const dropped = [...leftOut, ...unreadIn(foreign.body, used, drawing)];
    return {
      fields: isPlainObject(fields) ? fields : {},
      marks,
      streams: drawing.streams(variables),
      changes: [...changes, ...dropped.map((field): Change => ({ field, what: "dropped" }))],
    };
  });
}

function marksIn(mask: unknown): Polarity {
  if (mask === undefined || isLeftOut(mask)) return "alpha";
  const marks = polarities.find((name) => name === mask);
  if (marks) return marks;
  throw new GatewayError(
    "invalid_value",
    `what may change in a mask is marked by ${polarities.join(" or ")}, not by ${JSON.stringify(mask)}`,
    {
      param: "mask",
    },
  );
}

/** Render a template of what a client sent; undefined where it renders nothing. Throws a 400 where it is not as the door has it. */
export function renderTheirs(template: Template, variables: Variables): unknown {
  return asTheirs(variables, () => rendered(template, variables));
}

/** Render a template of what the gateway says; undefined where it renders nothing. */
export function rendered(template: Template, variables: Variables): unknown {
  const value = template({ variables, used: new Set(), mapped: () => undefined });
  return typeof value === "symbol" ? undefined : value;
}

/** Work on a client's request: an expression that cannot take its values is the client's mistake, and none of its business. */
function asTheirs<T>(variables: Variables, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof ExpressionFailure)) throw error;
    const fields = error.uses.flatMap((name) => fieldThere(name.split("."), variables));
    const [only, ...more] = fields;
    const names = fields.map(({ field, root }) => (root === "body" ? field : `${field} in the ${root}`));
    const message = `${names.join(" or ") || "the request"} cannot be read: it is not, or does not hold, what this API has there`;
    throw new GatewayError("invalid_value", message, { param: more.length > 0 ? null : only?.field, cause: error });
  }
}

/** A field of the client's that an expression reads, as far as it is there. */
function fieldThere([root = "", ...steps]: readonly string[], variables: Variables): { field: string; root: string }[] {
  if (!["body", "path", "query", "headers"].includes(root)) return [];
  const there: string[] = [];
  let value = variables[root];
  for (const step of steps) {
    if (!isPlainObject(value) || !Object.hasOwn(value, step)) break;
    there.push(step);
    value = value[step];
  }
  return there.length === 0 ? [] : [{ field: there.join("."), root }];
}

/** The paths of the values that nothing has read, but for those that say nothing. */
function unreadIn(value: object, used: ReadonlySet<string>, drawing: Pick<Drawing, "defaults" | "ignore">, above = ""): string[] {
  if (used.has("body")) return [];
  const { defaults, ignore } = drawing;
  return Object.entries(value).flatMap(([name, item]: [string, unknown]) => {
    const path = above + name;
    if (used.has(`body.${path}`) || ignore.has(path) || saysNothing(item)) return [];
    if (Object.hasOwn(defaults, path) && isDeepStrictEqual(defaults[path], item)) return [];
    return isPlainObject(item) ? unreadIn(item, used, drawing, `${path}.`) : [path];
  });
}

function saysNothing(value: unknown): boolean {
  if (value === null || value === "") return true;
  if (Array.isArray(value)) return value.length === 0;
  return isPlainObject(value) && Object.keys(value).length === 0;
}

/** The same with all names in camel case: `mime_type` becomes `mimeType`. What is no JSON stays as it is. */
export function camelCased<T>(value: T): T {
  if (Array.isArray(value)) return value.map(camelCased) as T;
  if (!isPlainObject(value)) return value;
  const named = (name: string) => name.replaceAll(/(?<=.)_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [named(name), camelCased(item)])) as T;
}
