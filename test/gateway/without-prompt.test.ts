// The words of errors that are kept, without the prompt.
import { expect } from "chai";
import { withoutPrompt } from "../../src/gateway/without-prompt.ts";

const long = 'a "walrus" that plays the grand piano on an ice floe';
const replaced = "the provider refused the request, and quoted its prompt";

describe("gateway: the words of an error that is kept", () => {
  for (const [what, prompt, message, kept] of [
    ["a prompt", long, `refused: ${long}!`, "refused: [prompt]!"],
    ["a prompt as JSON writes it", long, `bad: ${JSON.stringify({ prompt: long })}`, 'bad: {"prompt":"[prompt]"}'],
    ["the beginning of a prompt", long, `refused: ${long.slice(0, 30)}...`, replaced],
    ["a prompt in capitals", long, `refused: ${long.toUpperCase()}`, replaced],
    ["a short prompt, as a word of its own", "Cat", "no cat in this category", "no [prompt] in this category"],
    ["a short prompt with signs of patterns", "c++ (x)", "no c++ (x)", "no [prompt]"],
    ["a prompt of one letter", "a", "a bad parameter", "a bad parameter"],
    ["no prompt", "", "a bad parameter", "a bad parameter"],
    ["nothing of the prompt", long, "the model is busy", "the model is busy"],
  ] as const)
    it(`say ${JSON.stringify(kept)} where they had ${what}`, () => expect(withoutPrompt(message, prompt)).to.equal(kept));
});
