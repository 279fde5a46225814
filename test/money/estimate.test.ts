// What is said of a cost before the order.
import { expect } from "chai";
import { estimateOf, estimateText } from "../../src/money/estimate.ts";
import type { Range } from "../../src/money/units.ts";

const cent = 10_000_000;

describe("an estimate", () => {
  for (const [ranges, text] of [
    [[{ lowest: 4 * cent, highest: 4 * cent }], "0.04 USD"],
    [[{ lowest: 0, highest: 0 }], "0 USD"],
    [
      [
        { lowest: cent, highest: cent },
        { lowest: cent, highest: 2 * cent },
      ],
      "0.02 to 0.03 USD",
    ],
    [[{ lowest: cent }, { lowest: cent, highest: cent }], "0.02 USD and more"],
    [[{ lowest: 0 }], "unpriced"],
    [[{ lowest: cent, highest: cent }, undefined], "unpriced"],
    [[], "unpriced"],
  ] as [(Range | undefined)[], string][])
    it(`of ${JSON.stringify(ranges)} is ${text}`, () => expect(estimateText(estimateOf(ranges))).to.equal(text));
});
