import { expect } from "chai";
import { changesHeader } from "../../src/http/changes.ts";
import { answerBody } from "../../src/http/answer.ts";
import type { Change } from "../../src/plugin/context.ts";

describe("http: the list of changes in a header", () => {
  for (const [sentence, changes, expected] of [
    ["is left out when there are none", [], undefined],
    ["says what became what", [{ field: "size", from: "16:9(4K)", to: "3840x2160" }], "size=16:9(4K)>3840x2160"],
    ["says what was put in", [{ field: "n", to: 1 }], "n=1"],
    ["says what was done", [{ field: "style", what: "dropped", from: { a: 1 } }], "style dropped"],
    ["shows what is no text as JSON", [{ field: "a", from: { b: [1] }, to: undefined }], 'a={"b":[1]}>null'],
    ["holds ASCII only", [{ field: "prompt", from: "a cät\n🐈 50%", to: "x" }], "prompt=a c%C3%A4t%0A%F0%9F%90%88 50%25>x"],
    ["shows long values cut", [{ field: "prompt", from: "p".repeat(900), to: "x" }], `prompt=${"p".repeat(60)}...>x`],
  ] as [string, Change[], string | undefined][]) {
    it(sentence, () => expect(changesHeader(changes)).to.equal(expected));
  }

  it("is never longer than 1 KB, and says how many are not in it", () => {
    const header = changesHeader(Array.from({ length: 100 }, (_, index) => ({ field: `field-${index}`, what: "dropped", from: 1 })))!;
    expect(header.length).to.be.within(900, 1024);
    const [, count] = /, and (\d+) more$/.exec(header)!;
    expect(header.split("dropped").length - 1 + Number(count)).to.equal(100);
    expect(changesHeader([{ field: "f".repeat(2000), what: "dropped" }])).to.equal("and 1 more");
  });
});

describe("http: the time in an answer", () => {
  const createdOf = async (created: unknown) => {
    let text = "";
    const result = { pictures: [], errors: [{ message: "lost", code: "upstream_error" }], facts: { created } };
    await answerBody({ result, changes: [] }).writeTo((chunk) => void (text += chunk.toString()));
    const answer = JSON.parse(text) as { created: number; metadata: { errors: object[] } };
    expect(answer.metadata.errors).to.deep.equal(result.errors);
    return answer.created;
  };

  for (const [what, created] of [
    ["seconds", 1713833628],
    ["milliseconds", 1713833628123],
    ["seconds in a text", "1713833628"],
    ["a date", "2024-04-23T00:53:48Z"],
  ] as const) {
    it(`is whole seconds where the provider says ${what}`, async () => expect(await createdOf(created)).to.equal(1713833628));
  }

  for (const created of [undefined, "soon", 0, -1, {}])
    it(`is now where the provider says ${JSON.stringify(created)}`, async () =>
      expect(await createdOf(created)).to.be.closeTo(Date.now() / 1000, 3));
});
