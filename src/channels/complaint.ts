import type { ErrorObject } from "ajv";
import type { Path } from "../expression/template.ts";
import { didYouMean } from "../schema/suggest.ts";

interface Complaint {
  path: Path;
  message: string;
  at: "key" | "value";
}

/** What a schema error of a channel file means to its writer; undefined for the echo that `if` adds to what its branch said. */
export function channelMessage(error: ErrorObject): Complaint | undefined {
  const path = error.instancePath
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
  const params = error.params as Record<string, unknown>;
  const about = subject(path);
  switch (error.keyword) {
    case "if":
      return undefined;
    case "additionalProperties": {
      const key = String(params.additionalProperty);
      const known = Object.keys((error.parentSchema?.properties as object | undefined) ?? {});
      const thing = path[0] === "plugins" && path.length === 2 ? "plugin" : isOption(path) ? "option" : "key";
      return { path: [...path, key], message: `${about}: unknown ${thing} "${key}" (${didYouMean(key, known)})`, at: "key" };
    }
    case "required":
      return { path, message: `${about}: ${String(params.missingProperty)} is missing`, at: "key" };
    case "enum": {
      const known = (params.allowedValues as unknown[]).map(String);
      const thing = path[0] === "plugins" && path.length === 2 ? "unknown plugin" : "unknown value";
      return { path, message: `${about}: ${thing} ${JSON.stringify(error.data)} (${didYouMean(String(error.data), known)})`, at: "value" };
    }
    case "type":
      return { path, message: `${about}: must be ${[params.type].flat().join(" or ")}, not ${kindOf(error.data)}`, at: "value" };
    default:
      return { path, message: `${about}: ${error.message ?? "is wrong"}`, at: "value" };
  }
}

/** The part of the file that a message begins with: the plugin's name, or the way down to the place. */
function subject(path: string[]): string {
  if (isOption(path)) return path.slice(path.indexOf("plugins") + 2).join(".");
  const steps = path.filter((step) => !/^\d+$/.test(step));
  return steps.length > 0 ? steps.join(".") : "channel";
}

function isOption(path: string[]): boolean {
  const plugins = path.indexOf("plugins");
  return (plugins === 0 || plugins === 2) && path.length > plugins + 2;
}

function kindOf(value: unknown): string {
  if (value === null) return "empty";
  return Array.isArray(value) ? "a list" : typeof value === "object" ? "a map" : `${typeof value} ${JSON.stringify(value)}`;
}
