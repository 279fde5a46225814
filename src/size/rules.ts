// Rules for pixel sizes: what a model takes, and what a provider takes.
import type { Size } from "./parse.ts";

/** Rules for pixel sizes. Every part is optional. */
export interface SizeRules {
  multiple_of?: number;
  min_side?: number;
  max_side?: number;
  /** The longer side divided by the shorter. */
  max_ratio?: number;
  /** Width times height. */
  min_pixels?: number;
  max_pixels?: number;
}

const positive = { type: "integer", minimum: 1 } as const;

/** The same as JSON Schema. */
export const sizeRuleSchemas = {
  multiple_of: { ...positive, description: "Both sides are multiples of this." },
  min_side: { ...positive, description: "The shortest side, in pixels." },
  max_side: { ...positive, description: "The longest side, in pixels." },
  max_ratio: { type: "number", minimum: 1, description: "The longer side divided by the shorter, at most." },
  min_pixels: { ...positive, description: "Width times height, at least." },
  max_pixels: { ...positive, description: "Width times height, at most." },
} as const;

/** The rule that a pixel size breaks, as a sentence; undefined where it keeps them all. A size without pixels breaks none. */
export function brokenRule({ width, height }: Size, rules: SizeRules): string | undefined {
  if (width === undefined || height === undefined) return undefined;
  const { multiple_of: step = 1, min_side = 1, max_side = Infinity, max_ratio = Infinity, min_pixels = 1, max_pixels = Infinity } = rules;
  const sides = Object.entries({ width, height });
  const area = width * height;
  for (const [side, length] of sides) if (length % step !== 0) return `${side} ${length} is not a multiple of ${step}`;
  for (const [side, length] of sides) if (length < min_side) return `${side} ${length} is less than ${min_side}`;
  for (const [side, length] of sides) if (length > max_side) return `${side} ${length} is more than ${max_side}`;
  if (Math.max(width, height) > max_ratio * Math.min(width, height)) return `its ratio is more than ${max_ratio}:1`;
  if (area < min_pixels) return `${area} pixels are less than ${min_pixels}`;
  if (area > max_pixels) return `${area} pixels are more than ${max_pixels}`;
  return undefined;
}

/** The sizes that are allowed, as the end of "size must be ...": those of a list, or any that keeps the rules. */
export function describeSizes({ one_of, pixels }: { one_of?: readonly string[]; pixels?: SizeRules }): string {
  const parts = [];
  if (one_of) parts.push(`one of ${one_of.join(", ")}`);
  if (pixels) parts.push(["WxH", describeRules(pixels)].filter(Boolean).join(" with "));
  return parts.join(", or ");
}

function describeRules(rules: SizeRules): string {
  return [
    rules.multiple_of !== undefined && `both sides multiples of ${rules.multiple_of}`,
    between("each side", rules.min_side, rules.max_side),
    rules.max_ratio !== undefined && `a ratio of at most ${rules.max_ratio}:1`,
    between("an area", rules.min_pixels, rules.max_pixels, " pixels"),
  ]
    .filter(Boolean)
    .join(", ");
}

function between(what: string, min: number | undefined, max: number | undefined, unit = ""): string | undefined {
  if (min !== undefined && max !== undefined) return `${what} from ${min} to ${max}${unit}`;
  if (min !== undefined) return `${what} of at least ${min}${unit}`;
  return max === undefined ? undefined : `${what} of at most ${max}${unit}`;
}
