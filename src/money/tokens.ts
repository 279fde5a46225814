// Reads what a provider's usage counts, in the shapes that most providers write.
import { isPlainObject } from "../expression/cel.ts";
import type { TokenBill } from "./lines.ts";

/** Tokens by what they are billed as; absent where a usage does not say. */
export type Tokens = Partial<Record<TokenBill, number>>;

/**
 * The tokens that a usage counts. Shapes: `input_tokens` and `output_tokens` with `..._details`, `prompt_tokens` and `completion_tokens`, and
 * `promptTokenCount` and `candidatesTokenCount` with lists by `modality`. What is not divided is pictures coming out, since the answer is made of
 * them, and text going in; where pictures went in too, nobody knows how much of it is which.
 */
export function tokensOf(usage: unknown, { images }: { images: boolean }): Tokens {
  if (!isPlainObject(usage)) return {};
  const input = sideOf(usage, inputNames);
  const output = sideOf(usage, outputNames);
  const made = output && { output_text_token: output.text ?? 0, output_image_token: output.total - (output.text ?? 0) };
  if (!input || (images && input.text === undefined)) return { ...made };
  const text = input.text ?? input.total;
  const cachedText = Math.min(text, input.cachedText ?? input.cached);
  const cachedImages = Math.min(input.total - text, input.cached - cachedText);
  return {
    ...made,
    cached_input_text_token: cachedText,
    input_text_token: text - cachedText,
    cached_input_image_token: cachedImages,
    input_image_token: input.total - text - cachedImages,
  };
}

/** The tokens of an input or of an output. Cached ones are a part of the total; undivided they count as text first, for which they save less. */
interface Side {
  total: number;
  /** Text of the total, where it is divided. */
  text?: number;
  cached: number;
  cachedText?: number;
}

interface SideNames {
  totals: readonly string[];
  details: readonly string[];
  cached: readonly string[];
  /** Counts beside the total that are billed as text. */
  thoughts?: string;
}

const inputNames: SideNames = {
  totals: ["input_tokens", "prompt_tokens", "promptTokenCount"],
  details: ["input_tokens_details", "prompt_tokens_details", "promptTokensDetails"],
  cached: ["cached_tokens", "cachedContentTokenCount"],
};
const outputNames: SideNames = {
  totals: ["output_tokens", "completion_tokens", "candidatesTokenCount"],
  details: ["output_tokens_details", "completion_tokens_details", "candidatesTokensDetails"],
  cached: [],
  thoughts: "thoughtsTokenCount",
};

function sideOf(
  usage: Record<string, unknown>,
  { totals, details: detailNames, cached: cachedNames, thoughts }: SideNames,
): Side | undefined {
  const total = firstCount(usage, totals);
  if (total === undefined) return undefined;
  const details = byModality(detailNames.map((name) => usage[name]).find((value) => value !== undefined && value !== null));
  const beside = thoughts === undefined ? 0 : (count(usage[thoughts]) ?? 0);
  const cached = Math.min(total, firstCount({ ...usage, ...details }, cachedNames) ?? 0);
  return {
    total: total + beside,
    cached,
    cachedText: textOf(byModality(details.cached_tokens_details), cached),
    ...divided(details, total, beside),
  };
}

/** The text of a total: as the details say, or what is left beside the pictures. */
function divided(details: Record<string, unknown>, total: number, beside: number): Pick<Side, "text"> {
  const text = textOf(details, total);
  return text === undefined ? (beside > 0 ? { text: beside } : {}) : { text: text + beside };
}

/** The text of a total. Details that do not add up to it divide nothing. */
function textOf(details: Record<string, unknown>, total: number): number | undefined {
  const images = count(details.image_tokens);
  const said = count(details.text_tokens);
  const text = images === undefined ? said : total - images;
  if (text === undefined || text < 0 || text > total) return undefined;
  return said === undefined || said === text ? text : undefined;
}

/** Details as a map: `[{ modality: "IMAGE", tokenCount: 1290 }]` is `{ image_tokens: 1290 }`. */
function byModality(details: unknown): Record<string, unknown> {
  if (isPlainObject(details)) return details;
  if (!Array.isArray(details)) return {};
  const counts: Record<string, number> = {};
  for (const item of details as unknown[]) {
    if (!isPlainObject(item) || typeof item.modality !== "string") continue;
    const name = `${item.modality.toLowerCase()}_tokens`;
    counts[name] = (counts[name] ?? 0) + (count(item.tokenCount) ?? 0);
  }
  return counts;
}

function firstCount(values: Record<string, unknown>, names: readonly string[]): number | undefined {
  for (const name of names) {
    const found = count(values[name]);
    if (found !== undefined) return found;
  }
  return undefined;
}

function count(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
