// The preferences of a client.
import { expect } from "chai";
import { preferencesIn } from "../../src/http/prefer.ts";

describe("http: the header prefer", () => {
  for (const [header, preferences] of [
    [undefined, [""]],
    ["respond-async", ["respond-async"]],
    ["Respond-Async, wait=20", ["respond-async", "wait=20"]],
    ["respond-async;x=1 ; y, wait = 20;z", ["respond-async", "wait=20"]],
    ['wait="20",respond-async', ["wait=20", "respond-async"]],
    ['a="b, respond-async \\" ;", c;d="e,f"', ["a=", "c"]],
    [
      ["respond-async", "wait=5"],
      ["respond-async", "wait=5"],
    ],
  ] as const)
    it(`is read where it is ${header === undefined ? "absent" : JSON.stringify(header)}`, () =>
      expect(preferencesIn(header)).to.deep.equal(preferences));
});
