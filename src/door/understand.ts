// Translates a request of another API into a unified request.
import { isDeepStrictEqual } from "node:util";
import { GatewayError } from "../errors.ts";
import { ExpressionFailure, isPlainObject, type Variables } from "../expression/cel.ts";
import { isLeftOut, type Rendering, type Template } from "../expression/rendering.ts";
import { polarities, type Polarity } from "../picture/mask.ts";
import type { Change } from "../plugin/context.ts";
import type { Drawing } from "./compile.ts";

/** A request of another API, as the templates of its door see it. */
export interface Foreign {
  body: Record<string, unknown>;
  path: Record<string, string>;
  query: Record<string, string>;
  headers: Record<string, string>;
  kept: Record<string, unknown>;
  default_model: string;
}

/** The unified request that a request of another API means. */
export interface Understood {
  /** The fields of the unified request, not yet validated. */
  fields: Record<string, unknown>;
  /** The mark of the pixels that may change in the mask. */
  marks: Polarity;
  streams: boolean;
  /** The fields of the body that are dropped, mapped, or read only in part. */
  changes: Change[];
}

/** Translates a request of another API. Throws a 400 if the door refuses it or cannot read it. */
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

/**
 * Renders a template over a client's request; undefined if the result is empty. Throws a 400 if the request has another shape than the door
 * expects.
 */
export function renderTheirs(template: Template, variables: Variables): unknown {
  return asTheirs(variables, () => rendered(template, variables));
}

/** Renders a template over the gateway's own values; undefined if the result is empty. */
export function rendered(template: Template, variables: Variables): unknown {
  const value = template({ variables, used: new Set(), mapped: () => undefined });
  return typeof value === "symbol" ? undefined : value;
}

/**
 * Evaluates expressions over a client's request. If one fails, the client's values are at fault: throws a 400 that names fields, not the
 * expression.
 */
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

/** The part of a name read by an expression that exists in the client's request; empty if none does. */
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

/** The paths of the body's values that no template has read, without empty and ignored ones and defaults. */
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

/** Converts all names to camel case: `mime_type` becomes `mimeType`. Values that are not JSON are left as they are. */
export function camelCased<T>(value: T): T {
  if (Array.isArray(value)) return value.map(camelCased) as T;
  if (!isPlainObject(value)) return value;
  const named = (name: string) => name.replaceAll(/(?<=.)_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [named(name), camelCased(item)])) as T;
}
