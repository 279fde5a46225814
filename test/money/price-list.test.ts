// Price lines as they are shown to those who choose by them.
import { expect } from "chai";
import { channelNames } from "../../src/expression/names.ts";
import type { LineSpec } from "../../src/money/lines.ts";
import { compilePrice } from "../../src/money/price.ts";
import { priceListOf } from "../../src/money/price-list.ts";

function listed(...specs: LineSpec[]) {
  const report = (_: unknown, problem: string) => expect.fail(problem);
  const names = channelNames(["steps"], [], [], "m").price;
  return priceListOf(compilePrice(specs, ["price"], { names, report, model: { id: "m", upstream: "m" } }).units);
}

describe("a price list", () => {
  for (const [specs, words] of [
    [[{ bill: "output_image", usd: 0 }], "0 USD a picture"],
    [[{ bill: "request", usd: 0.1 }], "0.1 USD a request"],
    [
      [
        { bill: "output_image", usd: 0.1, when: "quality == 'high'" },
        { bill: "output_image", usd: 0.03, when: "quality == 'low'" },
        { bill: "output_image", usd: 0.06 },
      ],
      "0.03 to 0.1 USD a picture",
    ],
    [[{ bill: "output_megapixel", usd: 0.03, then: 0.015 }], "0.015 to 0.03 USD a megapixel"],
    [
      [{ bill: "output_megapixel", usd: 0.003, times: "${double(request.steps) / 4.0}" }],
      "0.003 USD a megapixel, times a factor of the request",
    ],
    [
      [
        { bill: "input_image_token", usd_per_million: 8 },
        { bill: "cached_input_text_token", usd_per_million: 1 },
        { bill: "output_text_token", usd_per_million: 10 },
        { bill: "output_image_token", usd_per_million: 30 },
      ],
      "10 USD per million text tokens and 30 USD per million picture tokens",
    ],
    [[{ bill: "output_image_token", usd: 0.001 }], "0.001 USD a picture token"],
  ] as [LineSpec[], string][])
    it(`says ${words}`, () => expect(listed(...specs).words).to.equal(words));

  it("has what is billed of the input among its units", () => {
    expect(listed({ bill: "input_image", usd: 0.003 }, { bill: "output_image_token", usd_per_million: 30 }).units).to.deep.equal([
      { bill: "input_image", per: 1, lowest: 0.003, highest: 0.003 },
      { bill: "output_image_token", per: 1_000_000, lowest: 30, highest: 30 },
    ]);
  });

  it("marks a unit that one of its lines multiplies", () => {
    const { units } = listed(
      { bill: "output_image", usd: 0.01, when: "quality == 'high'", times: "${double(request.steps)}" },
      { bill: "output_image", usd: 0.02 },
    );
    expect(units).to.deep.equal([{ bill: "output_image", per: 1, lowest: 0.01, highest: 0.02, scaled: true }]);
  });

  it("is empty where nothing that is made is billed", () => {
    expect(listed({ bill: "input_image", usd: 0.003 })).to.deep.equal({ words: "in the provider's answer", units: [] });
  });
});
