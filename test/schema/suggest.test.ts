// Suggestions for unknown words.
import { expect } from "chai";
import { didYouMean, mostListed } from "../../src/schema/suggest.ts";

describe("a suggestion", () => {
  const many = ["flux-2-pro", "flux-2-flex", "flux-kontext", ...Array.from({ length: mostListed }, (_, index) => `other-model-${index}`)];
  for (const [about, word, known, expected] of [
    ["is the word that is close", "size-mpa", ["size-map", "fan-out"], "did you mean size-map?"],
    ["is all that is known where that is little", "zebra", ["size-map", "fan-out"], "known: size-map, fan-out"],
    ["is the nearest three of many", "flux-9-zzzzz", many, "the nearest of 27: flux-2-pro, flux-2-flex, flux-kontext"],
    ["is nothing where nothing is known", "a", [], "nothing is known here"],
  ] as const)
    it(about, () => expect(didYouMean(word, known)).to.equal(expected));
});
