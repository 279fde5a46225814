// Names what a cost is, in whole nano-dollars, and how it was found.

/**
 * How a cost was found, the most trusted first. `nothing`: nothing was made. `provider`: the provider's own bill. `usage`: its tokens by the
 * price lines. `pictures`: the pictures that were made, by the lines. `request`: the same, with the requested size where a picture could not be
 * measured. `uncertain`: something may have been made, and this is the most that it can have cost. `unpriced`: nobody knows.
 */
export const costSources = ["nothing", "provider", "usage", "pictures", "request", "uncertain", "unpriced"] as const;

export type CostSource = (typeof costSources)[number];

/** A cost. `nanos` is in nano-dollars (10⁻⁹ USD), and absent where it is not known: an unknown cost is never 0. */
export interface Cost {
  nanos?: number;
  from: CostSource;
}

export const nothing: Cost = { nanos: 0, from: "nothing" };
export const unpriced: Cost = { from: "unpriced" };

/** The sum of costs, which is trusted as much as the least trusted of them, and unknown where one is. */
export function sumOf(costs: readonly Cost[]): Cost {
  let nanos = 0;
  let from = 0;
  for (const cost of costs) {
    nanos += cost.nanos ?? 0;
    from = Math.max(from, costSources.indexOf(cost.from));
  }
  const source = costSources[from] ?? "nothing";
  return source === "unpriced" ? unpriced : { nanos, from: source };
}

/** Greatest amount that is believed of a call or a price, in USD: more is a mistake, and whole nano-dollars stay exact below it. */
export const greatestAmount = 1e6;

/** Nano-dollars of an amount in USD, a number or a text; undefined where it is no amount. */
export function nanosOf(usd: unknown): number | undefined {
  const isText = typeof usd === "string" && usd.trim() !== "";
  const amount = isText || typeof usd === "number" ? Number(usd) : NaN;
  return amount >= 0 && amount <= greatestAmount ? Math.round(amount * 1e9) : undefined;
}

/** An amount in USD as people read it: `0.0413`, never `4.13e-2`. */
export function usdText(nanos: number): string {
  const text = String(nanos).padStart(10, "0");
  return `${text.slice(0, -9)}.${text.slice(-9)}`.replace(/\.?0+$/, "");
}
