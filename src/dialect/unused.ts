// Reports or refuses fields of a request that no template of its channel uses.
import { isDeepStrictEqual } from "node:util";
import { GatewayError } from "../errors.ts";
import type { PluginContext } from "../plugin/context.ts";

/**
 * Drops and reports each field that no template of the channel uses, or throws a 400. Prompt, n, size, images and mask are never dropped.
 * A field with the default value of the model's schema (`fields` are its properties) is dropped without a report: the client need not have sent it.
 */
export function judgeUnused(
  { request, change, model: { fields } }: Pick<PluginContext, "request" | "change" | "model">,
  used: ReadonlySet<string>,
  policy: "drop" | "reject",
): void {
  for (const [field, value] of Object.entries(request)) {
    if (used.has(field) || field === "model" || value === undefined) continue;
    // A call without `n` makes one picture, and a provider that is sent no size chooses one.
    if ((field === "n" && value === 1) || (field === "size" && value === "auto")) continue;
    if (Object.hasOwn(fields, field) && isDeepStrictEqual(fields[field]?.default, value)) continue;
    if (field === "images" || field === "mask")
      throw new GatewayError(
        "unknown_parameter",
        `${field === "mask" ? "a mask is" : "images are"} not taken by this model's channel; leave it out`,
        {
          param: field === "mask" ? field : request.images?.[0]?.field.replace(/\[0\]$/, ""),
        },
      );
    if (field === "prompt" || field === "n" || field === "size" || policy === "reject") {
      const hint = field === "n" ? "it makes one picture at a time; send n 1" : "leave it out";
      throw new GatewayError(
        field === "n" ? "invalid_value" : "unknown_parameter",
        `${field} cannot be honoured by this model's channel; ${hint}`,
        { param: field },
      );
    }
    change(field, { what: "dropped", from: value });
  }
}
