// Works out what a call costs by the price lines of its channel.
import type { Path, Report } from "../expression/rendering.ts";
import type { Names } from "../expression/names.ts";
import { readSize } from "../size/parse.ts";
import { unpriced, type Cost, type CostSource } from "./cost.ts";
import { unitsOf, type BilledUnit } from "./price-list.ts";
import { compileLines, type Bill, type Line, type LineSpec, type TokenBill } from "./lines.ts";
import { tokensOf, type Tokens } from "./tokens.ts";
import {
  amountOf,
  candidatesOf,
  free,
  quantityOf,
  readsName,
  total,
  unbounded,
  whole,
  withPicture,
  type Pixels,
  type Range,
  type Scope,
} from "./units.ts";

/** A request as far as prices read it: as the plugins left it for one call. */
export interface Asked {
  n: number;
  size?: string;
  quality?: string;
  images?: readonly Pixels[];
  [field: string]: unknown;
}

/** The answer to a call. */
export interface Answered {
  /** The pictures, as the provider gave them. */
  pictures: readonly Pixels[];
  usage?: unknown;
  quality?: unknown;
}

/** The prices of a model on a channel. */
export interface Price {
  /** The units that are billed; none where no line bills what is made. */
  units: readonly BilledUnit[];
  /** The cost of a call that made pictures: `unpriced` where the lines, or what is known, do not suffice. */
  ofAnswer(asked: Asked, answered: Answered): Cost;
  /** The range of a call of whose answer nothing is known yet; undefined where no line bills it. */
  beforehand(asked: Asked): Range | undefined;
}

interface Model {
  id: string;
  upstream: string;
}

/** Compile the prices of a model. Mistakes go to `report`. */
export function compilePrice(
  specs: readonly LineSpec[],
  path: Path,
  { names, report, model }: { names: Names; report: Report; model: Model },
): Price {
  const lines = compileLines(specs, path, { names, report });
  const isPriced = lines.some(({ bill }) => bill === "request" || bill.startsWith("output_"));
  return {
    units: isPriced ? unitsOf(lines) : [],
    ofAnswer: (asked, answered) => (isPriced ? costOf(lines, callOf(asked, model, answered)) : unpriced),
    beforehand: (asked) => {
      const call = callOf(asked, model);
      return isPriced ? total(things.map((thing) => guessOf(lines, thing, call))) : undefined;
    },
  };
}

/** A call to be priced. */
interface Call extends Scope {
  asked: Asked;
  inputs: readonly Pixels[];
  outputs: readonly Pixels[];
  /** True where the requested size stands for that of a picture. */
  isAssumed: boolean;
  tokens: Tokens;
}

function callOf(asked: Asked, model: Model, answered?: Answered): Call {
  const { images: inputs = [] } = asked;
  const size = asked.size === undefined ? undefined : readSize(asked.size);
  const quality = typeof answered?.quality === "string" ? answered.quality : (asked.quality ?? "auto");
  const made = answered?.pictures ?? Array<Pixels>(asked.n).fill({});
  return {
    asked,
    variables: { request: asked, size: size ?? {}, quality, model },
    // A provider that is left the choice chooses once it draws.
    isStrict: answered !== undefined,
    unknown: answered === undefined && quality === "auto" ? ["quality", "request.quality"] : [],
    inputs,
    outputs: made.map((picture) => (picture.width ? picture : { width: size?.width, height: size?.height })),
    isAssumed: made.some(({ width }) => !width),
    tokens: tokensOf(answered?.usage, { images: inputs.length > 0 }),
  };
}

/** A thing that is billed: by tokens, or by units of another kind. */
interface Thing {
  of: "call" | "text" | "inputs" | "outputs";
  units: readonly Bill[];
  /** Tokens, and what stands in for a price that they have not themselves. */
  tokens: readonly (readonly [TokenBill, TokenBill?])[];
}

const things: readonly Thing[] = [
  { of: "call", units: ["request"], tokens: [] },
  { of: "text", units: [], tokens: [["input_text_token"], ["cached_input_text_token", "input_text_token"]] },
  {
    of: "inputs",
    units: ["input_image", "input_megapixel"],
    tokens: [["input_image_token"], ["cached_input_image_token", "input_image_token"]],
  },
  { of: "text", units: [], tokens: [["output_text_token"]] },
  { of: "outputs", units: ["output_image", "output_megapixel"], tokens: [["output_image_token"]] },
];

const has = (lines: readonly Line[], bill: Bill | undefined) => bill !== undefined && lines.some((line) => line.bill === bill);

/** The cost of a call whose pictures are there. */
function costOf(lines: readonly Line[], call: Call): Cost {
  const isCounted = lines.some(({ bill }) => call.tokens[bill as TokenBill] !== undefined);
  const isAssumed = call.isAssumed && lines.some((line) => line.bill.startsWith("output_") && readsPixels(line));
  let from: CostSource = "usage";
  const ranges = things.map((thing) => {
    const byTokens = isCounted ? tokensRange(lines, thing, call) : undefined;
    if (byTokens) return byTokens;
    const byUnits = unitsRange(lines, thing, call);
    if (byUnits) from = isAssumed ? "request" : "pictures";
    return byUnits ?? (isMissing(lines, thing, { call, isCounted }) ? unbounded : free);
  });
  const { lowest, highest } = total(ranges);
  return lowest === highest ? { nanos: highest, from } : unpriced;
}

function readsPixels(line: Line): boolean {
  return line.bill.endsWith("_megapixel") || readsName(line, "picture");
}

/** True for a thing that is billed by tokens, or was counted in tokens, where that cannot be worked out and nothing stands in for it. */
function isMissing(lines: readonly Line[], { of, tokens }: Thing, { call, isCounted }: { call: Call; isCounted: boolean }): boolean {
  const isBilled = tokens.some(([bill]) => has(lines, bill));
  if (of === "inputs" && call.inputs.length === 0) return false;
  if (isCounted) return isBilled || tokens.some(([bill]) => (call.tokens[bill] ?? 0) > 0);
  // Usage may say nothing: the price of the pictures is for the text too.
  return isBilled && !(of === "text" && (has(lines, "output_image") || has(lines, "output_megapixel")));
}

/** A thing by its tokens; undefined where no line bills them, or they were not counted. */
function tokensRange(lines: readonly Line[], { tokens }: Thing, call: Call): Range | undefined {
  if (!tokens.some(([bill]) => has(lines, bill)) || !tokens.every(([bill]) => call.tokens[bill] !== undefined)) return undefined;
  return total(
    tokens.map(([bill, other]) => {
      const count = call.tokens[bill] ?? 0;
      const billed = has(lines, bill) || other === undefined ? bill : other;
      return count === 0 ? free : spread(candidatesOf(lines, billed, call), (line) => amountOf(line, whole(count), call.variables));
    }),
  );
}

/** A thing by its pictures or calls; undefined where no line bills them. */
function unitsRange(lines: readonly Line[], { of, units }: Thing, call: Call): Range | undefined {
  const bills = units.filter((bill) => has(lines, bill));
  if (bills.length === 0) return undefined;
  if (of === "call") return spread(candidatesOf(lines, "request", call), (line) => amountOf(line, whole(1), call.variables));
  return total(bills.map((bill) => picturesRange(lines, bill, of === "inputs" ? call.inputs : call.outputs, call)));
}

/** All pictures of a call by one unit. Those that one line bills are counted together, since its tiers may be theirs. */
function picturesRange(lines: readonly Line[], bill: Bill, pictures: readonly Pixels[], call: Call): Range {
  const counts = new Map<Line, number>();
  const ranges = pictures.map((picture) => {
    const scope = withPicture(call, picture);
    const candidates = candidatesOf(lines, bill, scope);
    const [line] = candidates;
    if (line && candidates.length === 1 && !bill.endsWith("_megapixel") && !readsName(line, "picture")) {
      counts.set(line, (counts.get(line) ?? 0) + 1);
      return free;
    }
    return spread(candidates, (one) => {
      const quantity = quantityOf(one, picture);
      return quantity && amountOf(one, quantity, scope.variables);
    });
  });
  const together = [...counts].map(([line, count]) => spread([line], () => amountOf(line, whole(count), call.variables)));
  return total([...ranges, ...together]);
}

/** The range over the lines one of which is meant; without a bound where there is none, or one cannot be worked out. */
function spread(lines: readonly Line[], amount: (line: Line) => number | undefined): Range {
  const amounts = lines.map(amount);
  const known = amounts.filter((value) => value !== undefined);
  if (known.length < amounts.length || known.length === 0) return unbounded;
  return { lowest: Math.min(...known), highest: Math.max(...known) };
}

/** A thing before the order: by its pictures, or by the most tokens that it can take. */
function guessOf(lines: readonly Line[], thing: Thing, call: Call): Range {
  const [bill] = thing.tokens[0] ?? [];
  const candidates = bill === undefined ? [] : candidatesOf(lines, bill, call);
  const units = unitsRange(lines, thing, call);
  if (candidates.length === 0) return units ?? (isMissing(lines, thing, { call, isCounted: false }) ? unbounded : free);
  const pictures = thing.of === "inputs" ? call.inputs.length : call.asked.n;
  const { highest } = spread(candidates, (line) => {
    const most = bill === "input_text_token" ? BigInt(longestText(call.asked)) : line.most && line.most * BigInt(pictures);
    return most === undefined && pictures > 0 ? undefined : amountOf(line, { count: most ?? 0n, per: 1n }, call.variables);
  });
  if (highest !== undefined) return { lowest: units?.lowest ?? 0, highest };
  return units ?? (isMissing(lines, thing, { call, isCounted: false }) ? unbounded : free);
}

/** Tokens that a provider may put around a request's texts: they are a part of the most that it can cost. */
export const tokensAround = 64;

/** Tokens of a request's texts at most: each is a byte or longer. */
function longestText(asked: Asked): number {
  const texts = Object.values(asked).filter((value) => typeof value === "string");
  return tokensAround + texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}
