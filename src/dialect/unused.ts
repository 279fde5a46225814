// Reports or refuses the fields that no template of a channel uses.
import { isDeepStrictEqual } from "node:util";
import { GatewayError } from "../errors.ts";
import type { PluginContext } from "../plugin/context.ts";

/**
 * A field that no template of the channel sends: dropped and reported, or refused. What the picture is made of is never dropped.
 * A value that the schema fills in by itself (`fields` are its properties) is nobody's wish, and is left out without a word.
 */
export function judgeUnused(
  { request, change, model: { fields } }: Pick<PluginContext, "request" | "change" | "model">,
  used: ReadonlySet<string>,
  policy: "drop" | "reject",
): void {
  for (const [field, value] of Object.entries(request)) {
    if (used.has(field) || field === "model" || value === undefined) continue;
    // A call makes one picture, and a provider that is given no size chooses one.
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
