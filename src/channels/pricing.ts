// Compiles what a model costs on a channel.
import { channelNames } from "../expression/names.ts";
import type { Report } from "../expression/rendering.ts";
import { compilePrice, type Price } from "../money/price.ts";
import type { CompiledModel } from "../schema/models.ts";
import type { ModelSettings } from "./grammar.ts";
import { fieldsOf } from "./operations.ts";

/** The prices of a model on a channel. */
export interface Pricing {
  /** The price lines; absent where there are none. */
  lines?: Price;
  /** True where the provider takes its price also for what its moderation refused. */
  chargesRefusals: boolean;
  /** True where the cost of a request can be known: by lines, or since the provider says it. */
  isPriced: boolean;
}

/** Compile the prices of a model. Mistakes go to `report`. */
export function compilePricing(
  { price = [], charges_refusals: chargesRefusals = false, generate, edit, variables = {} }: ModelSettings,
  { id, upstream, schema, report }: { id: string; upstream: string; schema: CompiledModel; report: Report },
): Pricing {
  const names = channelNames(fieldsOf(schema), Object.keys(variables), [], `${id} (schema ${schema.id})`).price;
  const saysCost = [generate, edit].some((operation) =>
    [operation?.result, operation?.stream?.result].flat().some((form) => form?.cost !== undefined),
  );
  const lines = price.length > 0 ? compilePrice(price, ["price"], { names, report, model: { id, upstream } }) : undefined;
  return { ...(lines && { lines }), chargesRefusals, isPriced: saysCost || (lines !== undefined && lines.units.length > 0) };
}
