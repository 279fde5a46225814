// Keeps, drops, renames or refuses fields of a request that is sent as it is.
import { GatewayError } from "../src/errors.ts";
import { definePlugin, untouched } from "../src/plugin/define.ts";

const fields = { type: "array", items: { type: "string" }, uniqueItems: true } as const;

// Fields that define the request, which no list need name: they are refused where they cannot be honoured, never dropped.
const always = ["model", "prompt", "n", "size", "images", "mask", "response_format"];

export default definePlugin({
  name: "passthrough",
  summary: "Keep, drop, refuse, rename or preset fields, for channels that send the request as it is.",
  schema: {
    type: "object",
    additionalProperties: false,
    properties: {
      keep: { ...fields, description: "The only fields sent on; all others are dropped, and reported." },
      drop: { ...fields, description: "Fields that are dropped, and reported: `size` too, where the operator says so." },
      reject: { ...fields, description: "Fields that are refused with a 400." },
      rename: { type: "object", additionalProperties: { type: "string" }, description: "The provider's name for a field." },
      default: { type: "object", description: "Values for fields that the client omitted; reported." },
    },
  },
  examples: [{ drop: ["style"] }, { rename: { seed: "random_seed" } }, { default: { watermark: false }, reject: ["user"] }],
  create: ({ keep, drop = [], reject = [], rename = {}, default: presets = {} }) =>
    async function passthrough(ctx, next) {
      for (const field of reject) {
        if (Object.hasOwn(ctx.request, field))
          throw new GatewayError("unknown_parameter", `${field} is not taken here; leave it out`, { param: field });
      }
      for (const [field, value] of Object.entries(presets)) {
        if (Object.hasOwn(ctx.request, field)) continue;
        ctx.request[field] = structuredClone(value);
        ctx.change(field, { to: value });
      }
      for (const field of Object.keys(ctx.request)) {
        if (!drop.includes(field) && (!keep || keep.includes(field) || always.includes(field))) continue;
        ctx.change(field, { what: "dropped", from: ctx.request[field] });
        Reflect.deleteProperty(ctx.request, field);
      }
      for (const [field, name] of Object.entries(rename)) {
        if (!Object.hasOwn(ctx.request, field)) continue;
        if (Object.hasOwn(ctx.request, name)) ctx.change(name, { from: ctx.request[name], to: ctx.request[field] });
        ctx.request[name] = ctx.request[field];
        Reflect.deleteProperty(ctx.request, field);
      }
      await next(untouched);
    },
});
