// The costs of test/money/costs.yaml, to the nano-dollar.
import { expect } from "chai";
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { channelNames } from "../../src/expression/names.ts";
import { nanosOf, sumOf, unpriced, usdText, type Cost } from "../../src/money/cost.ts";
import type { LineSpec } from "../../src/money/lines.ts";
import { compilePrice, type Asked } from "../../src/money/price.ts";
import { readSize } from "../../src/size/parse.ts";

interface Case {
  name: string;
  price: string;
  n?: number;
  size?: string;
  quality?: string;
  prompt?: string;
  steps?: number;
  images?: string[];
  made?: string[];
  usage?: unknown;
  reports?: string;
  cost: number | "unpriced";
  from?: string;
  least?: number;
  most?: number;
}

const { prices, cases, before } = parse(readFileSync("test/money/costs.yaml", "utf8")) as {
  prices: Record<string, LineSpec[]>;
  cases: Case[];
  before: Case[];
};

const mistakesOf = (specs: readonly LineSpec[]): string[] => {
  const told: string[] = [];
  compile(specs, (path, message) => void told.push(`${path.join(".")}: ${message}`));
  return told;
};

function compile(specs: readonly LineSpec[], report: (path: readonly (string | number)[], message: string) => void) {
  const { price: names } = channelNames(undefined, []);
  return compilePrice(specs, ["price"], { names, report, model: { id: "m", upstream: "u" } });
}

function priceOf({ price }: Case) {
  return compile(prices[price]!, (path, message) => {
    throw new Error(`${path.join(".")}: ${message}`);
  });
}

const pixelsOf = (text: string) => (text === "?" ? {} : { width: readSize(text)?.width, height: readSize(text)?.height });

function askedIn({ n = 1, images, ...one }: Case): Asked {
  const { size, quality, prompt, steps } = one;
  return { n, size, quality, ...(prompt && { prompt }), ...(steps && { steps }), ...(images && { images: images.map(pixelsOf) }) };
}

describe("what a call costs", () => {
  it("is tried in forty cases and more", () => expect(cases.length).to.be.above(40));

  for (const one of cases)
    it(one.name, () => {
      const { made = ["1024x1024"], usage, reports, cost, from = "unpriced" } = one;
      const found = priceOf(one).ofAnswer(askedIn(one), { pictures: made.map(pixelsOf), usage, quality: reports });
      expect(found).to.deep.equal(cost === "unpriced" ? unpriced : { nanos: nanosOf(cost), from });
    });

  for (const one of before)
    it(`before: ${one.name}`, () => {
      const { least, most } = one;
      const expected = least === undefined ? undefined : { lowest: nanosOf(least), ...(most !== undefined && { highest: nanosOf(most) }) };
      expect(priceOf(one).beforehand(askedIn(one))).to.deep.equal(expected);
    });
});

describe("sums of costs", () => {
  it("are trusted as the least trusted part, and unknown where one is", () => {
    const costs: Cost[] = [
      { nanos: 5, from: "provider" },
      { nanos: 7, from: "usage" },
    ];
    expect(sumOf([])).to.deep.equal({ nanos: 0, from: "nothing" });
    expect(sumOf(costs)).to.deep.equal({ nanos: 12, from: "usage" });
    expect(sumOf([...costs, { nanos: 1, from: "uncertain" }])).to.deep.equal({ nanos: 13, from: "uncertain" });
    expect(sumOf([...costs, unpriced])).to.deep.equal(unpriced);
  });

  it("are whole numbers, where floats would not add up", () => {
    const tenth: Cost = { nanos: nanosOf(0.1)!, from: "pictures" };
    expect(usdText(sumOf([tenth, tenth, tenth]).nanos!)).to.equal("0.3");
  });

  for (const [usd, nanos] of [
    [0.04, 40_000_000],
    ["0.04", 40_000_000],
    [0, 0],
    [-1, undefined],
    [NaN, undefined],
    [1e9, undefined],
    ["", undefined],
    ["free", undefined],
    [null, undefined],
  ] as const)
    it(`reads ${JSON.stringify(usd)} as ${nanos}`, () => expect(nanosOf(usd)).to.equal(nanos));

  for (const [nanos, text] of [
    [0, "0"],
    [1, "0.000000001"],
    [40_000_000, "0.04"],
    [12_000_000_000, "12"],
  ] as const)
    it(`writes ${nanos} as ${text}`, () => expect(usdText(nanos)).to.equal(text));
});

describe("mistakes in price lines", () => {
  for (const [spec, expected] of [
    [{ bill: "output_image" }, "price.0: it says no amount; write usd or usd_per_million"],
    [{ bill: "output_text_token", usd: 1, usd_per_million: 1 }, "price.0: it says two amounts; write usd or usd_per_million"],
    [{ bill: "output_image", usd_per_million: 1 }, "price.0.usd_per_million: it is for tokens; write the price of one output_image as usd"],
    [{ bill: "output_text_token", usd_per_million: 1, then: 1 }, "price.0.then: it goes with usd; write usd, for one token"],
    [{ bill: "output_image", usd: 1, first: 2 }, "price.0.first: then is missing, the price of each further unit"],
    [{ bill: "output_image", usd: 1, round: "up" }, "price.0.round: it is for megapixels, not for output_image"],
    [{ bill: "output_image", usd: 1, megapixel: 5 }, "price.0.megapixel: it is for megapixels, not for output_image"],
    [{ bill: "output_image", usd: 1, most: 5 }, "price.0.most: it is for tokens of pictures and answers, not for output_image"],
    [
      { bill: "request", usd: 1, when: "picture.width > 5" },
      "price.0.when: picture is known where pictures are billed, and not for request",
    ],
    [{ bill: "output_image", usd: 1, when: "picture.wide > 5" }, "price.0.when: unknown field picture.wide (known: width, height, pixels)"],
  ] as [LineSpec, string][])
    it(expected, () => expect(mistakesOf([spec])).to.deep.equal([expected]));

  it("a condition over a value of another kind does not hold, and no picture is lost for it", () => {
    const price = compile([{ bill: "output_image", usd: 1, when: "request.size + 5 > 2" }], () => undefined);
    expect(price.ofAnswer({ n: 1, size: "1024x1024" }, { pictures: [{}] })).to.deep.equal(unpriced);
  });
});
