// Finds the line that is meant for a unit, and what so many units cost by it.
import type { Variables } from "../expression/cel.ts";
import type { Bill, Line } from "./lines.ts";

/** The least and the most that something costs, in nano-dollars. `highest` is absent where there is no bound. */
export interface Range {
  lowest: number;
  highest?: number;
}

export const free: Range = { lowest: 0, highest: 0 };
export const unbounded: Range = { lowest: 0 };

export function total(ranges: readonly Range[]): Range {
  const lowest = ranges.reduce((sum, range) => sum + range.lowest, 0);
  if (ranges.some(({ highest }) => highest === undefined)) return { lowest };
  return { lowest, highest: ranges.reduce((sum, { highest = 0 }) => sum + highest, 0) };
}

/** A picture's size, where it is known. */
export interface Pixels {
  width?: number | undefined;
  height?: number | undefined;
}

/** The values that lines read. */
export interface Scope {
  variables: Variables;
  /** Names, such as `quality`, of which nothing is known yet. */
  unknown: readonly string[];
  /** True where a line that only may be meant does not suffice. */
  isStrict: boolean;
}

/** The same, with the picture that is billed. */
export function withPicture({ variables, unknown, isStrict }: Scope, { width, height }: Pixels): Scope {
  if (!width || !height) return { variables: { ...variables, picture: {} }, unknown: [...unknown, "picture"], isStrict };
  return { variables: { ...variables, picture: { width, height, pixels: width * height } }, unknown, isStrict };
}

/** True for a line that reads some name, or a field of it. */
export function readsName({ reads }: Line, name: string): boolean {
  return [...reads].some((read) => read === name || read.startsWith(`${name}.`));
}

/**
 * The lines of a unit one of which is meant: a single one where that can be decided. Of the conditions that hold the first counts; one that
 * reads what is not known may hold.
 */
export function candidatesOf(lines: readonly Line[], bill: Bill, { variables, unknown, isStrict }: Scope): Line[] {
  const found: Line[] = [];
  for (const line of lines) {
    if (line.bill !== bill) continue;
    if (unknown.some((name) => readsName(line, name))) found.push(line);
    else if (line.holds(variables)) return [...found, line];
  }
  return isStrict ? [] : found;
}

/** A number of units, as a fraction. */
export interface Quantity {
  count: bigint;
  per: bigint;
}

/** The quantity of a picture by a line: one, or its megapixels; undefined where its pixels are not known. */
export function quantityOf({ bill, megapixel, roundsUp }: Line, { width, height }: Pixels): Quantity | undefined {
  if (!bill.endsWith("_megapixel")) return whole(1);
  if (!width || !height) return undefined;
  const count = BigInt(width) * BigInt(height);
  return roundsUp ? { count: (count + megapixel - 1n) / megapixel, per: 1n } : { count, per: megapixel };
}

export function whole(count: number): Quantity {
  return { count: BigInt(count), per: 1n };
}

const million = 1_000_000n;

/** Nano-dollars of so many units, rounded once; undefined where the line's own factor cannot be worked out. */
export function amountOf(line: Line, { count, per }: Quantity, variables: Variables): number | undefined {
  const factor = line.times(variables);
  if (factor === undefined) return undefined;
  const units = count * million;
  const first = line.tier === undefined || line.tier.first * per > units ? units : line.tier.first * per;
  const nanos = first * line.nanos + (units - first) * (line.tier?.then ?? 0n);
  const below = per * line.per * million * million;
  return Number((nanos * factor * 2n + below) / (below * 2n));
}
