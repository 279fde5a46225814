// Makes a client's fields a unified request, as the model's schema understands them.
import { GatewayError } from "../errors.ts";
import type { Change, UnifiedRequest } from "../plugin/context.ts";
import type { CompiledModel, ModelSchema } from "../schema/models.ts";
import { parseSize } from "../size/parse.ts";
import type { ClientBody } from "./body.ts";
import type { Inputs } from "./input-images.ts";
import { shapeProblem } from "./shape.ts";

/** The model a body asks for, or the `usual` one where it names none. */
export function modelOf(body: Record<string, unknown>, usual?: string): string {
  const named = typeof body.model === "string" ? body.model.trim() : body.model;
  const model = named === "" ? usual : (named ?? usual);
  if (model === undefined)
    throw new GatewayError("missing_required_parameter", "model is missing; GET /v1/models lists them", { param: "model" });
  if (typeof model !== "string") throw new GatewayError("invalid_type", "model must be a string", { param: "model" });
  return model;
}

/** A request as a model takes it, and what was done to the client's words for that. */
export interface Unified {
  request: UnifiedRequest;
  changes: readonly Change[];
}

/**
 * A client's fields as a unified request: null and the empty text mean omitted, `n` 0 is 1, `size` gets its canonical spelling; then the
 * model's schema judges and fills in its defaults. Nothing else is touched but the texts of a form, which become what the schema says they
 * are, and the quality `standard`. Throws a 400.
 */
export function unify({ fields, form }: ClientBody, schema: CompiledModel, inputs?: Inputs): Unified {
  const given = Object.entries(fields)
    .map(([name, value]) => [name, form ? spoken(value, name, schema.describe(name)) : value] as const)
    .filter(([, value]) => value !== null && value !== "");
  const request: Record<string, unknown> = Object.fromEntries(given);
  const changes: Change[] = [];
  if (request.n === undefined || request.n === 0) request.n = 1;
  // None is what there is where nothing is said.
  if (request.partial_images === 0) delete request.partial_images;
  if (typeof request.size === "string") request.size = parseSize(request.size).text;
  if (request.quality === "standard" && isAutoThere(schema.describe("quality"))) {
    request.quality = "auto";
    changes.push({ field: "quality", from: "standard", to: "auto" });
  }
  schema.validate(Object.assign(request, inputs));
  if (request.response_format === "base64") request.response_format = "b64_json";
  // In an event OpenAI's pictures are base64, and those of an edit that came as a form too: some clients read nothing else.
  if (form || request.stream === true) request.response_format ??= "b64_json";
  delete request.stream;
  return { request: request as UnifiedRequest, changes };
}

/** Of models that know no `standard`, it is what clients and relays call the quality that nobody chose. */
function isAutoThere({ enum: known }: ModelSchema): boolean {
  return Array.isArray(known) && known.includes("auto") && !known.includes("standard");
}

/** Words for people to read, which are not touched. */
const prose = new Set(["prompt", "negative_prompt"]);

/** Reads a form's text as the type that the schema wants. A text that does not fit is left for the schema to refuse. */
function spoken(value: unknown, name: string, schema: ModelSchema): unknown {
  if (Array.isArray(value)) return value.map((item) => spoken(item, name, (schema.items ?? {}) as ModelSchema));
  if (typeof value === "object" && value !== null) {
    const { properties = {}, additionalProperties = {} } = schema;
    const described = (key: string) => (Object.hasOwn(properties, key) ? properties[key] : additionalProperties) as ModelSchema;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, spoken(item, name, described(key))]));
  }
  if (typeof value !== "string" || prose.has(name)) return value;
  const types = [schema.type ?? "string"].flat() as string[];
  const text = value.trim();
  const wants = (...names: string[]) => names.some((type) => types.includes(type));
  // SDKs refuse to write null into a form, and have their users write this.
  if (text === "null") return null;
  if (wants("integer", "number") && /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i.test(text)) return Number(text);
  if (wants("boolean") && /^(?:true|false)$/i.test(text)) return text.toLowerCase() === "true";
  if ((wants("object") && text.startsWith("{")) || (wants("array") && text.startsWith("["))) return parsed(text, name) ?? text;
  return text;
}

function parsed(text: string, name: string): unknown {
  let value: object;
  try {
    value = JSON.parse(text) as object;
  } catch {
    return undefined;
  }
  const problem = shapeProblem(value);
  if (problem !== undefined) throw new GatewayError("invalid_value", `${name} ${problem}`, { param: name });
  return value;
}
