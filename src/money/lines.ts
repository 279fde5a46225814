// The price lines of a channel: their grammar, and how they are compiled.
import type { Variables } from "../expression/cel.ts";
import type { Path, Report, TemplateOptions } from "../expression/rendering.ts";
import { compileTemplate } from "../expression/template.ts";
import { compileTest } from "../expression/text.ts";
import type { FromSchema } from "../schema/from-schema.ts";
import { closed, text } from "../schema/parts.ts";
import { nanosOf } from "./cost.ts";

/** Units of pictures and calls. */
export const countBills = ["output_image", "output_megapixel", "input_image", "input_megapixel", "request"] as const;

/** Units of text and pictures, as usage counts them. */
export const tokenBills = [
  "input_text_token",
  "cached_input_text_token",
  "input_image_token",
  "cached_input_image_token",
  "output_text_token",
  "output_image_token",
] as const;

export type TokenBill = (typeof tokenBills)[number];
export type Bill = (typeof countBills)[number] | TokenBill;

const amount = (description: string) => ({ type: "number", minimum: 0, description }) as const;
const above = (description: string) => ({ type: "number", exclusiveMinimum: 0, description }) as const;

const line = closed(
  {
    bill: {
      enum: [...countBills, ...tokenBills],
      description:
        "The unit that is billed: a picture made or sent, a megapixel of one, a token of `usage`, or a call (`request`). Where `usage` counts the tokens of a thing and a line bills them, its pictures are not billed beside. Lines of different units add up.",
    },
    usd: amount("USD for one unit; 0 is free."),
    usd_per_million: amount("USD for a million tokens, in place of `usd`."),
    when: text(
      "The line is meant if the condition holds, over `request`, `size`, `quality`, `picture` and `model`: `quality == 'high'`. Of several lines of a unit the first that is meant is taken; where none is, the request is unpriced.",
    ),
    first: above(
      "How many units `usd` is for, where `then` is for the others: those of one picture for megapixels, else those of a call; 1 when omitted.",
    ),
    then: amount("USD for each further unit: `{ bill: output_megapixel, usd: 0.03, then: 0.015 }`."),
    round: { enum: ["up"], description: "Counts a begun megapixel as a whole one; parts count as parts when omitted." },
    megapixel: {
      type: "integer",
      minimum: 1,
      description: "Pixels of a megapixel: 1048576 where the provider means 1024x1024; 1000000 when omitted.",
    },
    times: text('Multiplies the units by what it gives: `"${request.steps / 28}"`.'),
    most: above(
      "Tokens of one picture, at most. Before an order, and where nobody knows what was made, it stands for the tokens that `usage` would count.",
    ),
  },
  ["bill"],
);

/** The schema of `price`. */
export const priceSchema = {
  type: "array",
  items: line,
  description:
    "What the provider takes. A bill of its own (`cost` in `result`) goes before, then come the tokens of its `usage`, then the pictures as they were measured. Without a price a request is unpriced, which is not free.",
} as const;

export type LineSpec = FromSchema<typeof line>;

/** A price line, compiled. */
export interface Line {
  bill: Bill;
  /** Nano-dollars for so many units: 1, or a million tokens. */
  nanos: bigint;
  per: bigint;
  /** Units at that price in millionths, and nano-dollars of each further one. */
  tier?: { first: bigint; then: bigint };
  roundsUp: boolean;
  megapixel: bigint;
  most?: bigint;
  /** The names that its condition and factor read, such as `picture.width`. */
  reads: ReadonlySet<string>;
  holds: (variables: Variables) => boolean;
  /** True where `times` is not always 1. */
  isScaled: boolean;
  /** Millionths by which the units are multiplied; undefined where that cannot be worked out. */
  times: (variables: Variables) => bigint | undefined;
}

/** Compile price lines. Mistakes go to `report`. */
export function compileLines(specs: readonly LineSpec[], path: Path, options: TemplateOptions): Line[] {
  return specs.map((spec, index) => compileLine(spec, [...path, index], options));
}

function compileLine(spec: LineSpec, path: Path, options: TemplateOptions): Line {
  const { bill, usd, usd_per_million: perMillion, then } = spec;
  judge(spec, path, options.report);
  const when = spec.when === undefined ? undefined : compileTest(spec.when, [...path, "when"], options);
  const uses = new Set(when?.uses);
  const times = compileTimes(spec.times, [...path, "times"], { ...options, uses });
  if (!/_(?:image|megapixel)$/.test(bill) && [...uses].some((name) => /^picture\b/.test(name)))
    options.report([...path, "when"], `picture is known where pictures are billed, and not for ${bill}`);
  return {
    bill,
    nanos: BigInt(nanosOf(perMillion ?? usd) ?? 0),
    per: perMillion === undefined ? 1n : million,
    ...(then !== undefined && { tier: { first: millionths(spec.first ?? 1), then: BigInt(nanosOf(then) ?? 0) } }),
    roundsUp: spec.round === "up",
    megapixel: BigInt(spec.megapixel ?? 1_000_000),
    ...(spec.most !== undefined && { most: BigInt(Math.ceil(spec.most)) }),
    reads: uses,
    holds: (variables) => when === undefined || attempt(() => when.holds(variables)) === true,
    isScaled: spec.times !== undefined,
    times,
  };
}

const million = 1_000_000n;

function millionths(value: number): bigint {
  return BigInt(Math.round(value * 1e6));
}

function compileTimes(spec: string | undefined, path: Path, options: TemplateOptions): Line["times"] {
  if (spec === undefined) return () => million;
  const template = compileTemplate(spec, path, options);
  return (variables) => {
    const value = attempt(() => template({ variables, used: new Set(), mapped: () => undefined }));
    return typeof value === "number" && value >= 0 && value < 1e6 ? millionths(value) : undefined;
  };
}

/** A price that reads a value of another kind than it expects has none; the picture is there all the same. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

/** Report what is wrong with a line beside its grammar. */
function judge({ bill, usd, usd_per_million: perMillion, ...spec }: LineSpec, path: Path, report: Report): void {
  const isTokens = tokenBills.includes(bill as TokenBill);
  if ((usd === undefined) === (perMillion === undefined))
    report(path, `${usd === undefined ? "it says no amount" : "it says two amounts"}; write usd or usd_per_million`);
  if (perMillion !== undefined && !isTokens)
    report([...path, "usd_per_million"], `it is for tokens; write the price of one ${bill} as usd`);
  if (perMillion !== undefined && spec.then !== undefined) report([...path, "then"], "it goes with usd; write usd, for one token");
  if (spec.first !== undefined && spec.then === undefined) report([...path, "first"], "then is missing, the price of each further unit");
  for (const name of ["round", "megapixel"] as const)
    if (spec[name] !== undefined && !bill.endsWith("_megapixel")) report([...path, name], `it is for megapixels, not for ${bill}`);
  if (spec.most !== undefined && !(isTokens && bill !== "input_text_token"))
    report([...path, "most"], `it is for tokens of pictures and answers, not for ${bill}`);
}
