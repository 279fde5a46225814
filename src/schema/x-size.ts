import type { FuncKeywordDefinition, SchemaValidateFunction } from "ajv";
import { readSize } from "../size.ts";

/** What a model says of its sizes beyond JSON Schema. A size is fine if it is listed, or if it is WxH and keeps every pixel rule. */
export interface SizeRule {
  one_of?: string[];
  pixels?: PixelRule;
}

interface PixelRule {
  multiple_of?: number;
  min_side?: number;
  max_side?: number;
  /** The longer side divided by the shorter. */
  max_ratio?: number;
  /** Width times height. */
  min_pixels?: number;
  max_pixels?: number;
}

const positive = { type: "integer", minimum: 1 };

export const sizeKeyword: FuncKeywordDefinition = {
  keyword: "x-size",
  type: "string",
  schemaType: "object",
  metaSchema: {
    type: "object",
    minProperties: 1,
    additionalProperties: false,
    properties: {
      one_of: { type: "array", minItems: 1, uniqueItems: true, items: { type: "string" } },
      pixels: {
        type: "object",
        additionalProperties: false,
        properties: {
          multiple_of: positive,
          min_side: positive,
          max_side: positive,
          max_ratio: { type: "number", minimum: 1 },
          min_pixels: positive,
          max_pixels: positive,
        },
      },
    },
  },
  errors: true,
  compile: (rule: SizeRule) => {
    const listed = new Set(rule.one_of?.map(canonical));
    const allowed = describeSizes(rule);
    const validate: SchemaValidateFunction = (text: string) => {
      if (listed.has(text)) return true;
      const reason = rule.pixels && brokenRule(text, rule.pixels);
      if (rule.pixels && reason === undefined) return true;
      validate.errors = [{ keyword: "x-size", params: { allowed, reason }, message: `must be ${allowed}` }];
      return false;
    };
    return validate;
  },
};

/** The sizes a rule allows, as the end of "size must be ...". */
export function describeSizes({ one_of: listed, pixels }: SizeRule): string {
  const parts = [];
  if (listed) parts.push(`one of ${listed.join(", ")}`);
  if (pixels) parts.push(["WxH", describePixels(pixels)].filter(Boolean).join(" with "));
  return parts.join(", or ");
}

function describePixels(rule: PixelRule): string {
  return [
    rule.multiple_of !== undefined && `both sides multiples of ${rule.multiple_of}`,
    between("each side", rule.min_side, rule.max_side),
    rule.max_ratio !== undefined && `a ratio of at most ${rule.max_ratio}:1`,
    between("an area", rule.min_pixels, rule.max_pixels, " pixels"),
  ]
    .filter(Boolean)
    .join(", ");
}

function between(what: string, min: number | undefined, max: number | undefined, unit = ""): string | undefined {
  if (min !== undefined && max !== undefined) return `${what} from ${min} to ${max}${unit}`;
  if (min !== undefined) return `${what} of at least ${min}${unit}`;
  return max === undefined ? undefined : `${what} of at most ${max}${unit}`;
}

/** Which rule the text breaks, as a sentence; "" for a text that is no WxH at all. */
function brokenRule(text: string, rule: PixelRule): string | undefined {
  const { text: spelling, width, height } = readSize(text) ?? {};
  if (spelling !== text || width === undefined || height === undefined) return "";
  const { multiple_of: step = 1, min_side = 1, max_side = Infinity, max_ratio = Infinity, min_pixels = 1, max_pixels = Infinity } = rule;
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

/** A size in the list is compared with a client's canonical text, so one that is spelled otherwise would never be allowed. */
function canonical(text: string): string {
  const spelling = readSize(text)?.text;
  if (spelling === text) return text;
  throw new Error(`x-size: ${JSON.stringify(text)} is ${spelling === undefined ? "not a size" : `spelled ${spelling}`}`);
}
