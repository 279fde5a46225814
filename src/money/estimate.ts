// Says what something will cost, before it is ordered.
import { usdText } from "./cost.ts";
import { total, type Range } from "./units.ts";

/** The least and the most that something will cost, in USD; `highest` is null where there is no bound. */
export interface Estimate {
  lowest: number;
  highest: number | null;
}

/** The estimate of calls by the ranges of their prices; null where nothing is known of it. */
export function estimateOf(ranges: readonly (Range | undefined)[]): Estimate | null {
  const known = ranges.filter((range) => range !== undefined);
  const { lowest, highest } = total(known);
  if (known.length === 0 || known.length < ranges.length || (lowest === 0 && highest === undefined)) return null;
  return { lowest: lowest / 1e9, highest: highest === undefined ? null : highest / 1e9 };
}

/** An estimate in words: `0.04 USD`, `0.04 to 0.08 USD`, `0.04 USD and more`, `unpriced`. */
export function estimateText(estimate: Estimate | null): string {
  if (!estimate) return "unpriced";
  const [lowest, highest] = [estimate.lowest, estimate.highest].map((usd) => usdText(Math.round((usd ?? 0) * 1e9)));
  if (estimate.highest === null) return `${lowest} USD and more`;
  return lowest === highest ? `${lowest} USD` : `${lowest} to ${highest} USD`;
}
