// Lists what is billed at which price, for those who choose by it.
import { estimateText } from "./estimate.ts";
import type { Bill, Line } from "./lines.ts";

/** A unit that is billed, and the least and the most USD for so many of it (1, or a million tokens) by the lines that may be meant. */
export interface BilledUnit {
  bill: Bill;
  per: number;
  lowest: number;
  highest: number;
  /** True where a request multiplies the amounts, as its steps may. */
  scaled?: true;
}

/** A model's price on a channel. */
export interface PriceList {
  /** The price of what is made, in words: `0.03 to 0.1 USD a picture`. */
  words: string;
  /** The units that are billed, input too; empty where only the provider's answers say what a call cost. */
  units: readonly BilledUnit[];
}

/** The units that lines bill, in the order of the lines. */
export function unitsOf(lines: readonly Line[]): BilledUnit[] {
  const units = new Map<string, BilledUnit>();
  for (const { bill, per, nanos, tier, isScaled } of lines) {
    const key = `${bill}/${per}`;
    const amounts = [nanos, ...(tier ? [tier.then] : [])].map((amount) => Number(amount) / 1e9);
    const known = units.get(key);
    if (known) amounts.push(known.lowest, known.highest);
    const scaled = (isScaled || known?.scaled) && { scaled: true as const };
    units.set(key, { bill, per: Number(per), lowest: Math.min(...amounts), highest: Math.max(...amounts), ...scaled });
  }
  return [...units.values()];
}

/** The price list of units: none are the provider's own bill. */
export function priceListOf(units: readonly BilledUnit[]): PriceList {
  const words = units.filter(({ bill }) => !bill.startsWith("input_") && !bill.startsWith("cached_")).map(unitText);
  return { words: words.join(" and ") || "in the provider's answer", units };
}

function unitText({ bill, per, lowest, highest, scaled }: BilledUnit): string {
  const name = bill
    .replace(/^output_/, "")
    .replace("image", "picture")
    .replace("_", " ");
  const text = `${estimateText({ lowest, highest })} ${per === 1 ? `a ${name}` : `per million ${name}s`}`;
  return scaled ? `${text}, times a factor of the request` : text;
}
