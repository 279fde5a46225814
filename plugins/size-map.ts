// Turns labels, ratios and tiers into sizes that the provider takes.
import { GatewayError } from "../src/errors.ts";
import { definePlugin, untouched } from "../src/plugin/define.ts";
import { fits, labelOf, nearestSize, toPixels, type Offer } from "../src/size/fit.ts";
import { readSize, type Size } from "../src/size/parse.ts";
import { brokenRule, describeSizes, sizeRuleSchemas } from "../src/size/rules.ts";

const pixelText = { type: "string", pattern: "^[1-9][0-9]*x[1-9][0-9]*$" } as const;

export default definePlugin({
  name: "size-map",
  summary: "Turn pixel sizes, ratios and tiers into what the channel's models accept.",
  schema: {
    type: "object",
    additionalProperties: false,
    properties: {
      table: {
        type: "object",
        additionalProperties: { type: "string" },
        description: "What becomes of a size, read first: `16:9(4K)` to `3840x2160`, or to a label of the provider's own.",
      },
      sizes: { type: "array", items: pixelText, minItems: 1, description: "The only pixel sizes that the provider takes." },
      ...sizeRuleSchemas,
      tiers: {
        type: "object",
        additionalProperties: { type: "integer", minimum: 1 },
        description: "Pixels that a tier stands for, to work out a ratio with a tier: `{ 1K: 1048576, 2K: 4194304 }`.",
      },
      tier: { type: "string", description: "The tier that a ratio alone has." },
      ratios: {
        type: "array",
        items: { type: "string", pattern: "^[1-9][0-9]*(\\.[0-9])?:[1-9][0-9]*(\\.[0-9])?$" },
        minItems: 1,
        description:
          "The ratios that the provider takes in place of pixels, or beside those of `sizes` or of the rules. Any other size becomes `16:9`, with `tiers` `16:9(2K)`: the tier asked for, or the nearest in pixels.",
      },
      auto: { type: "string", default: "keep", description: "What becomes of `auto`: `keep`, `drop`, or a size." },
      otherwise: {
        enum: ["reject", "nearest", "keep"],
        default: "reject",
        description: "A size that fits none of this is refused with what would fit, replaced by the nearest that fits, or sent as it is.",
      },
    },
  },
  examples: [
    { table: { "16:9(4K)": "3840x2160" } },
    { multiple_of: 32, min_side: 256, max_side: 1440, otherwise: "reject" },
    { sizes: ["1024x1024", "768x1344"], auto: "drop", otherwise: "nearest" },
    { tiers: { "1K": 1048576, "2K": 4194304 }, tier: "1K", multiple_of: 16 },
    { ratios: ["1:1", "16:9"], sizes: ["1024x1024", "1536x640"], otherwise: "nearest" },
    { ratios: ["1:1", "16:9"], tiers: { "1K": 1048576, "2K": 4194304 }, otherwise: "nearest" },
  ],
  create: ({ table = {}, tiers = {}, tier, ratios, auto, otherwise, ...rules }) => {
    const rows = new Map(Object.entries(table).map(([from, to]) => [readSize(from)?.text ?? from, to]));
    const budgets = new Map(Object.entries(tiers).map(([name, pixels]) => [readSize(name)?.text ?? name, pixels]));

    /** The provider's size; undefined leaves the field out. Throws a 400 for a size that nothing fits. */
    function map(size: Size): string | undefined {
      const row = rows.get(size.text);
      if (row !== undefined) return row;
      if (size.text === "auto") return auto === "drop" ? undefined : auto === "keep" ? "auto" : auto;
      if (ratios && size.width && Object.keys(rules).length > 0 && fits(size, rules)) return size.text;
      const label = ratios && labelOf(size, { ratios, tiers: budgets, tier }, otherwise === "nearest");
      if (label) return label.text;
      const wanted = ratios ? undefined : toPixels(size, rules, budgets.get(size.tier ?? tier ?? ""));
      if (wanted && fits(wanted, rules)) return wanted.text;
      const nearest = otherwise === "nearest" ? nearestSize(wanted ?? size, rules) : undefined;
      if (nearest) return nearest.text;
      if (otherwise === "keep") return size.text;
      throw refused(size, wanted ?? size, [...rows.keys(), ...(ratios ?? [])], rules);
    }

    return async function sizeMap(ctx, next) {
      const from = ctx.request.size;
      const to = from === undefined ? undefined : map(readSize(from) ?? { text: from });
      if (to !== from) {
        // A provider that gets no size chooses one, which is what auto asks for.
        if (to !== undefined || from !== "auto") ctx.change("size", to === undefined ? { what: "dropped", from } : { from, to });
        ctx.request.size = to;
      }
      if (to === undefined) delete ctx.request.size;
      await next(untouched);
    };
  },
});

/** Says what the client could have had. `wanted` is the size in pixels, where it has any. */
function refused(size: Size, wanted: Size | undefined, labels: string[], { sizes, ...rules }: Offer): GatewayError {
  const listed = [...labels, ...(sizes ?? [])];
  const only = sizes !== undefined || (listed.length > 0 && Object.keys(rules).length === 0);
  const allowed = describeSizes({ one_of: listed.length > 0 ? listed : undefined, pixels: only ? undefined : rules });
  const reason = wanted && !sizes ? brokenRule(wanted, rules) : undefined;
  return new GatewayError("invalid_value", `size must be ${allowed} on this channel; ${size.text} is not${reason ? `: ${reason}` : ""}`, {
    param: "size",
  });
}
