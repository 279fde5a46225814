import { GatewayError } from "../errors.ts";
import type { UnifiedRequest } from "../plugin/context.ts";
import type { CompiledModel, ModelSchema } from "../schema/models.ts";
import { parseSize } from "../size/parse.ts";
import type { ClientBody } from "./body.ts";
import type { Inputs } from "./input-images.ts";

/** The model a body asks for, or the `usual` one where it names none. */
export function modelOf(body: Record<string, unknown>, usual?: string): string {
  const model = body.model === "" ? usual : (body.model ?? usual);
  if (model === undefined)
    throw new GatewayError("missing_required_parameter", "model is missing; GET /v1/models lists them", { param: "model" });
  if (typeof model !== "string") throw new GatewayError("invalid_type", "model must be a string", { param: "model" });
  return model;
}

/**
 * A client's fields as a unified request: null means omitted, `n` 0 is 1, `size` gets its canonical spelling; then the model's
 * schema judges and fills in its defaults. Nothing else is touched but the texts of a form, which become what the schema says they are.
 * Throws a 400.
 */
export function unify({ fields, form }: ClientBody, schema: CompiledModel, inputs?: Inputs): UnifiedRequest {
  const given = Object.entries(fields).filter(([name, value]) => value !== null && !["image", "images", "mask"].includes(name));
  const request: Record<string, unknown> = Object.fromEntries(
    given.map(([name, value]) => [name, form ? spoken(value, schema.describe(name)) : value]),
  );
  if (request.n === undefined || request.n === 0) request.n = 1;
  // None is what there is where nothing is said.
  if (request.partial_images === 0) delete request.partial_images;
  if (typeof request.size === "string") request.size = parseSize(request.size).text;
  schema.validate(Object.assign(request, inputs));
  if (request.response_format === "base64") request.response_format = "b64_json";
  // In an event OpenAI's pictures are base64, and those of an edit that came as a form too: some clients read nothing else.
  if (form || request.stream === true) request.response_format ??= "b64_json";
  delete request.stream;
  return request as UnifiedRequest;
}

/** What a form's text says, where the schema wants something else than a text. What does not fit is left for the schema to refuse. */
function spoken(value: unknown, { type = "string" }: ModelSchema): unknown {
  if (typeof value !== "string") return value;
  const types = [type].flat() as string[];
  const text = value.trim();
  const wants = (...names: string[]) => names.some((name) => types.includes(name));
  if (wants("integer", "number") && /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i.test(text)) return Number(text);
  if (wants("boolean") && /^(?:true|false)$/i.test(text)) return text.toLowerCase() === "true";
  if ((wants("object") && text.startsWith("{")) || (wants("array") && text.startsWith("["))) return parsed(text) ?? value;
  return value;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
