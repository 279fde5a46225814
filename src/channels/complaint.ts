// Turns schema errors of an operator's file into messages.
import type { ErrorObject } from "ajv";
import type { Path } from "../expression/rendering.ts";
import { didYouMean } from "../schema/suggest.ts";
import type { Located, Problems } from "./problems.ts";
import { isWrittenOut } from "./settings.ts";

/** A kind of file: its name in messages, and the places of secrets, which no message repeats. */
export interface FileKind {
  whole: string;
  isSecret(path: readonly string[]): boolean;
}

const channelFile: FileKind = { whole: "channel", isSecret: ([first]) => first === "keys" };

/** Reports schema errors of an operator's file, in words for its author. */
export function complain(located: Located, errors: readonly ErrorObject[], problems: Problems, kind = channelFile): void {
  const told = new Set<string>();
  for (const error of errors) {
    const path = stepsOf(error.instancePath);
    // Errors of `if`, `oneOf` and their branches only repeat another error about the same value, less clearly.
    if (
      error.keyword === "if" ||
      (error.propertyName !== undefined && error.keyword !== "propertyNames") ||
      error.schemaPath.includes("/oneOf/")
    )
      continue;
    if (error.keyword === "type" && told.has(error.instancePath)) continue;
    if (kind.isSecret(path) && isWrittenOut(error.data)) continue;
    if (errors.some((other) => isTypoOf(other, error))) continue;
    if (error.keyword === "type") told.add(error.instancePath);
    problems.add(located, keyed(error, path), `${subject(path, kind)}: ${sentence(error, path, kind)}`, {
      at: aboutKey(error) ? "key" : "value",
    });
  }
}

/** The steps of a JSON pointer. */
export function stepsOf(pointer: string): string[] {
  return pointer
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** True for a missing key that stands misspelt in the same map: the misspelling is reported instead. */
function isTypoOf(unknown: ErrorObject, { keyword, instancePath, params }: ErrorObject): boolean {
  if (unknown.keyword !== "additionalProperties" || keyword !== "required" || unknown.instancePath !== instancePath) return false;
  const { additionalProperty } = unknown.params as { additionalProperty: string };
  return didYouMean(additionalProperty, [(params as { missingProperty: string }).missingProperty]).startsWith("did you mean");
}

function aboutKey({ keyword }: ErrorObject): boolean {
  return keyword === "additionalProperties" || keyword === "required";
}

function keyed({ keyword, params }: ErrorObject, path: Path): Path {
  return keyword === "additionalProperties" ? [...path, (params as { additionalProperty: string }).additionalProperty] : path;
}

function sentence(error: ErrorObject, path: string[], kind: FileKind): string {
  if (path.join() === "auth" && error.keyword !== "type" && error.keyword !== "enum")
    return "name one kind, such as { header: x-key }; a scheme stands beside a header";
  const params = error.params as Record<string, unknown>;
  const found = kindOf(error.data, kind.isSecret(path));
  switch (error.keyword) {
    case "additionalProperties": {
      const key = String(params.additionalProperty);
      const known = Object.keys((error.parentSchema as { properties: object }).properties);
      return `unknown ${isPluginItem(path) ? "plugin" : isOption(path) ? "option" : "key"} "${key}" (${didYouMean(key, known)})`;
    }
    case "required":
      return `${params.missingProperty as string} is missing`;
    case "enum": {
      const known = (params.allowedValues as unknown[]).filter((value) => value !== null).map(String);
      return `unknown value ${JSON.stringify(error.data)} (${didYouMean(String(error.data), known)})`;
    }
    case "type":
      return `must be ${[params.type]
        .flat()
        .map((type) => names[type as string])
        .join(" or ")}, not ${found}`;
    case "format":
    case "pattern":
      return `${found} is not ${(error.parentSchema as { title?: string }).title ?? `like ${params.pattern as string}`}`;
    case "minProperties":
      return isPluginItem(path) ? "name a plugin, such as - inspect" : "must not be empty";
    case "maxProperties":
      return "one item names one plugin; begin a line with - for each";
    case "minItems":
      return "must not be empty";
    default:
      return `${String(error.message)}, not ${found}`;
  }
}

/** The beginning of a message: the plugin's name with its option, or the path in the file. */
function subject(path: string[], { whole }: FileKind): string {
  const from = isOption(path) ? path.indexOf("plugins") + 2 : 0;
  const steps = path.slice(from).filter((step) => !/^\d+$/.test(step));
  return steps.length > 0 ? steps.join(".") : whole;
}

/** True for an item of a list of plugins: `plugins/0` of the channel, or `models/x/plugins/0`. */
function isPluginItem(path: string[]): boolean {
  return [0, 2].includes(path.indexOf("plugins")) && path.length === path.indexOf("plugins") + 2;
}

function isOption(path: string[]): boolean {
  return [0, 2].includes(path.indexOf("plugins")) && path.length > path.indexOf("plugins") + 2;
}

const names: Readonly<Record<string, string>> = {
  object: "a map",
  array: "a list",
  string: "text",
  integer: "a whole number",
  number: "a number",
  boolean: "true or false",
  null: "empty",
};

/** A value in words. A key is never repeated. */
function kindOf(value: unknown, secret: boolean): string {
  if (value === null) return "empty";
  if (typeof value === "object") return Array.isArray(value) ? "a list" : "a map";
  return secret ? `a ${typeof value}` : JSON.stringify(value);
}
