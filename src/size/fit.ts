// Finds the size of a provider that comes nearest to the one asked for.
import { brokenRule, type SizeRules } from "./rules.ts";
import { pixelSize, ratioOf, readSize, type Size } from "./parse.ts";

/** The sizes that a provider takes: those of a list, or any that keeps the rules. */
export interface Offer extends SizeRules {
  sizes?: readonly string[];
}

/** True for a pixel size that can be sent. */
export function fits(size: Size, { sizes, ...rules }: Offer): boolean {
  return (sizes?.includes(size.text) ?? true) && brokenRule(size, rules) === undefined;
}

/** The nearest size that fits: of a list by ratio, then by area; else scaled into the bounds and put on the grid. */
export function nearestSize(size: Size, rules: Offer): Size | undefined {
  const ratio = size.width && size.height ? size.width / size.height : ratioOf(size.ratio ?? "1:1");
  if (rules.sizes) return nearestOf(rules.sizes, rules, ratio, (size.width ?? 0) * (size.height ?? 0));
  const { multiple_of: grid = 1, min_side: min = 1, max_side: max = Infinity, min_pixels: least = 0, max_pixels: most = Infinity } = rules;
  if (!size.width || !size.height) return undefined;
  const area = size.width * size.height;
  const shrink = Math.min(1, max / Math.max(size.width, size.height), Math.sqrt(most / area));
  const grow = Math.max(1, min / Math.min(size.width, size.height), Math.sqrt(least / area));
  const scale = shrink < 1 ? shrink : grow;
  for (const round of [Math.round, Math.floor, Math.ceil]) {
    const side = (length: number) => Math.max(grid, round((length * scale) / grid) * grid);
    const candidate = pixelSize(side(size.width), side(size.height));
    if (fits(candidate, rules)) return candidate;
  }
  return undefined;
}

function nearestOf(sizes: readonly string[], rules: Offer, ratio: number, area: number): Size | undefined {
  const distance = ({ width = 1, height = 1 }: Size) =>
    Math.abs(Math.log(width / height / ratio)) + Math.abs(Math.log((width * height) / (area || width * height))) / 1000;
  return sizes
    .map((text) => readSize(text))
    .filter((candidate): candidate is Size => candidate !== undefined && fits(candidate, rules))
    .sort((a, b) => distance(a) - distance(b))[0];
}

/** Ratios and tiers that a provider takes in place of pixels. */
export interface LabelRules {
  ratios: readonly string[];
  /** Pixels that each tier stands for. */
  tiers: ReadonlyMap<string, number>;
  /** The tier of a size that names none. */
  tier?: string;
}

/** A size as the provider's ratio, with its tier where it has tiers: `16:9(2K)`. Undefined where no ratio is the size's own and `nearest` is not asked for. */
export function labelOf(size: Size, { ratios, tiers, tier }: LabelRules, nearest: boolean): Size | undefined {
  const wanted = ratioOf(size.ratio ?? "1:1");
  const distance = (ratio: string) => Math.abs(Math.log(ratioOf(ratio) / wanted));
  const [ratio] = [...ratios].sort((a, b) => distance(a) - distance(b));
  // Two spellings of one ratio are as near as floating point allows.
  if (ratio === undefined || (!nearest && distance(ratio) > 1e-9)) return undefined;
  if (size.tier !== undefined && tiers.size > 0 && !tiers.has(size.tier)) return undefined;
  const ownTier = size.tier ?? nearestTier(size, tiers) ?? tier;
  return readSize(ownTier === undefined ? ratio : `${ratio}(${ownTier})`);
}

function nearestTier({ width, height }: Size, tiers: ReadonlyMap<string, number>): string | undefined {
  if (!width || !height) return undefined;
  const distance = (pixels: number) => Math.abs(Math.log(pixels / (width * height)));
  return [...tiers].sort((a, b) => distance(a[1]) - distance(b[1]))[0]?.[0];
}

/** A ratio in a tier's pixels, on the grid; pixel sizes stay as they are. */
export function toPixels(size: Size, { multiple_of: grid = 1 }: SizeRules, budget: number | undefined): Size | undefined {
  if (size.width) return size;
  if (budget === undefined) return undefined;
  const ratio = ratioOf(size.ratio ?? "1:1");
  const side = (pixels: number) => Math.max(grid, Math.round(pixels / grid) * grid);
  return pixelSize(side(Math.sqrt(budget * ratio)), side(Math.sqrt(budget / ratio)));
}
