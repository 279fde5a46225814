// Words what a schema has against a request.
import type { DefinedError, ErrorObject } from "ajv";
import { type ErrorCode, GatewayError } from "../errors.ts";
import { didYouMean } from "./suggest.ts";

/** The keywords with a sentence of their own; for the others Ajv's is good enough. */
type Keyword =
  | ("required" | "dependentRequired" | "additionalProperties" | "unevaluatedProperties" | "type" | "enum" | "const" | "pattern")
  | ("minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum")
  | ("minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties");
type KnownError = Extract<DefinedError, { keyword: Keyword }> | ErrorObject<"x-size", { allowed: string; reason?: string }>;

/**
 * Turn Ajv's errors into the one that the client gets; of several alternatives that all failed it is about the one that came nearest.
 * `data` is what was judged and `knownKeys` are its right keys. No more than 40 characters of the client's are repeated.
 */
export function refusal(errors: ErrorObject[], data: unknown, knownKeys: string[] = []): GatewayError {
  const candidates = errors as KnownError[];
  const error = candidates.reduce((best, next) => (rank(next) > rank(best) ? next : best));
  const { instancePath, message } = error;
  const { path, value } = locate(instancePath, data);
  const refuse = (code: ErrorCode, message: string, param = path) =>
    new GatewayError(code, message, { param: param === "" ? null : param });
  const subject = path === "" ? "the request" : path;
  switch (error.keyword) {
    case "required":
    case "dependentRequired": {
      const missing = member(path, error.params.missingProperty);
      return refuse("missing_required_parameter", `missing required parameter: ${missing}`, missing);
    }
    case "additionalProperties":
      return unknownKey(error.params.additionalProperty);
    case "unevaluatedProperties":
      return unknownKey(error.params.unevaluatedProperty);
    case "type":
      return refuse("invalid_type", `${subject} must be ${siblings(types).join(" or ")}, not ${describe(value)}`);
    case "enum":
    case "const": {
      const allowed = [oneOf(siblings(allowedValues)), ...siblings(types)].join(" or ");
      return refuse("invalid_value", `${subject} must be ${allowed}, not ${describe(value)}`);
    }
    case "minimum":
    case "exclusiveMinimum":
    case "maximum":
    case "exclusiveMaximum": {
      const { comparison, limit } = error.params;
      const code = comparison.startsWith(">") ? "integer_below_min_value" : "integer_above_max_value";
      return refuse(code, `${subject} must be ${bounds[comparison]} ${limit}, not ${describe(value)}`);
    }
    case "maxLength":
      return refuse("string_above_max_length", `${subject} must be at most ${error.params.limit} characters long, not ${length(value)}`);
    case "minLength":
      if (value === "") return refuse("empty_string", `${subject} must not be empty`);
      return refuse("invalid_value", `${subject} must be at least ${error.params.limit} characters long, not ${length(value)}`);
    case "minItems":
    case "maxItems":
    case "minProperties":
    case "maxProperties":
      break;
    case "pattern":
      return refuse("invalid_value", `${subject} must match the pattern ${error.params.pattern}`);
    case "x-size": {
      const { allowed, reason } = error.params;
      return refuse("invalid_value", `${subject} must be ${allowed}; ${shorten(String(value))} is not${reason ? `: ${reason}` : ""}`);
    }
  }
  return refuse("invalid_value", `${subject} ${String(message).replace("NOT", "not")}`);

  /** The values that `of` finds in all errors about the same value: the alternatives it could have been. */
  function siblings<T>(of: (error: KnownError) => T[]): T[] {
    return [...new Set(candidates.filter((other) => other.instancePath === error.instancePath).flatMap(of))];
  }

  function unknownKey(key: string): GatewayError {
    const described = (error.parentSchema as { properties?: object }).properties ?? {};
    const known = path === "" && knownKeys.length > 0 ? knownKeys : Object.keys(described);
    const param = member(path, key);
    return refuse("unknown_parameter", `unknown parameter: ${param} (${didYouMean(shorten(key), known)})`, param);
  }
}

const bounds = { ">=": "at least", ">": "more than", "<=": "at most", "<": "less than" };

/** An alternative that got deeper, or that at least had the right type, is the one the client meant. */
function rank({ keyword, instancePath }: ErrorObject): number {
  if (keyword === "anyOf" || keyword === "oneOf" || keyword === "if") return -1;
  return 2 * instancePath.split("/").length + (keyword === "type" ? 0 : 1);
}

/** Resolves a JSON pointer to a path such as `images[0].url` and the value there. */
function locate(pointer: string, data: unknown): { path: string; value: unknown } {
  let path = "";
  let value = data;
  for (const escaped of pointer.split("/").slice(1)) {
    const key = escaped.replaceAll("~1", "/").replaceAll("~0", "~");
    path = Array.isArray(value) ? `${path}[${key}]` : member(path, key);
    value = (value as Record<string, unknown>)[key];
  }
  return { path, value };
}

function member(path: string, key: string): string {
  return path === "" ? shorten(key) : `${path}.${shorten(key)}`;
}

/** The types that would have been right, each with its article. */
function types(error: KnownError): string[] {
  if (error.keyword !== "type") return [];
  return [error.params.type].flat().map((name) => (name === "null" ? name : `${/^[aio]/.test(name) ? "an" : "a"} ${name}`));
}

function allowedValues(error: KnownError): unknown[] {
  if (error.keyword === "enum") return error.params.allowedValues;
  return error.keyword === "const" ? [error.params.allowedValue] : [];
}

function oneOf(values: unknown[]): string {
  const texts = values.map((value) => (typeof value === "string" ? value : JSON.stringify(value)));
  return texts.length === 1 ? texts.join() : `one of ${texts.join(", ")}`;
}

function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(shorten(value));
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

function shorten(text: string): string {
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}

/** Code points, which is what JSON Schema counts. */
function length(value: unknown): number {
  return String(value).replace(/[\ud800-\udbff][\udc00-\udfff]/g, "-").length;
}
