import { expect } from "chai";
import { channelNames } from "../../src/expression/names.ts";
import { compileTemplate } from "../../src/expression/template.ts";

describe("a directive that is written wrongly", () => {
  const problemsOf = (value: unknown) => {
    const problems: string[] = [];
    compileTemplate(value, ["json"], {
      names: channelNames(undefined, []).request,
      report: (path, message) => problems.push(`${path.join(".")}: ${message}`),
      readDocument: () => ({ a: { b: 1 }, list: [{}] }),
    });
    return problems;
  };

  it("is told", () => {
    expect(problemsOf({ $each: "${request.tags}" })).to.deep.equal(["json: $each needs $value, what each element becomes"]);
    expect(problemsOf({ $document: "d.json", $set: { "a.c": 1, "list.0.x": 1, "a.b.c": 1, "list.7.x": 1 } })).to.deep.equal([
      "json.$set.a.b.c: the document has no object at a.b",
      "json.$set.list.7.x: the document has no object at list.7",
    ]);
    expect(problemsOf({ $when: "true", $else: 1 })).to.deep.equal([
      "json.$else: $else needs $value, what stands here if the condition holds",
    ]);
    expect(problemsOf({ $when: "true", $value: 1, type: "mask" })).to.deep.equal([
      "json.type: unknown key type beside $when; with $value or $else, the object's keys stand below $value",
    ]);
  });
});
