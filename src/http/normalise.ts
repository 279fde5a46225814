import { GatewayError } from "../errors.ts";
import type { UnifiedRequest } from "../plugin/context.ts";
import type { CompiledModel } from "../schema/models.ts";
import { parseSize } from "../size.ts";

/** The model a body asks for. */
export function modelOf(body: Record<string, unknown>): string {
  const { model } = body;
  if (model === undefined || model === null)
    throw new GatewayError("missing_required_parameter", "model is missing; GET /v1/models lists them", { param: "model" });
  if (typeof model !== "string") throw new GatewayError("invalid_type", "model must be a string", { param: "model" });
  return model;
}

/**
 * A client's body as a unified request: null means omitted, `n` 0 is 1, `size` gets its canonical spelling; then the model's
 * schema judges and fills in its defaults. Nothing else is touched. Throws a 400.
 */
export function unify(body: Record<string, unknown>, schema: CompiledModel): UnifiedRequest {
  const request: Record<string, unknown> = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
  if (request.n === undefined || request.n === 0) request.n = 1;
  if (typeof request.size === "string") request.size = parseSize(request.size).text;
  refuseWhatIsNotThere(request);
  schema.validate(request);
  if (request.response_format === "base64") request.response_format = "b64_json";
  // A picture in an event of OpenAI's is base64.
  if (request.stream === true) request.response_format ??= "b64_json";
  delete request.stream;
  return request as UnifiedRequest;
}

/** Better a clear refusal than a picture made without what was sent along. */
function refuseWhatIsNotThere(request: Record<string, unknown>): void {
  for (const field of ["image", "images", "mask"]) {
    if (field in request)
      throw new GatewayError("api_not_implemented", `images as input are not there yet; leave ${field} out`, { param: field });
  }
}
