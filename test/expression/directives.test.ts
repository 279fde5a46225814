import { expect } from "chai";
import { missing } from "../../src/expression/cel.ts";
import { channelNames } from "../../src/expression/names.ts";
import type { TemplateOptions } from "../../src/expression/rendering.ts";
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

describe("what is dropped", () => {
  const names = { place: "test", variables: { a: { about: "" }, b: { about: "" } } };
  const render = (value: unknown, variables: Record<string, unknown> = {}, options: Partial<TemplateOptions> = {}) => {
    const template = compileTemplate(value, [], { names, report: (_, message) => expect.fail(message), ...options });
    return { value: template({ variables, used: new Set(), mapped: () => undefined }) };
  };

  it("lays objects over one another; $drop takes a key out, what is no object is passed over", () => {
    const layers = [
      { w: 0, x: 1, y: 2 },
      "${a}",
      "${b}",
      { w: "${null}", y: { $when: "b == 7", $value: "$drop" }, z: "${a.?q}", deep: { v: "$drop" } },
    ];
    expect(render({ $merge: layers }, { a: { x: 3 }, b: 7 }).value).to.deep.equal({ w: null, x: 3, deep: {} });
    expect(render({ $merge: layers }, { a: { x: 3 }, b: 8 }).value).to.deep.equal({ w: null, x: 3, y: 2, deep: {} });
  });

  it("keeps a null that a condition chooses", () => {
    const chosen = { $when: "a", $value: "${null}", $else: null };
    for (const a of [true, false]) expect(render({ x: chosen }, { a }, { plainNull: true }).value).to.deep.equal({ x: null });
  });

  it("leaves out what a table or a condition drops, and takes it out of a document", () => {
    const table = { $map: "${a}", to: { auto: "$drop" }, else: "$drop" };
    expect(render(table, { a: "auto" }).value).to.equal(missing);
    expect(
      render({ each: { $each: "${a}", $value: { $when: "item > 1", $value: "${item}", $else: "$drop" } } }, { a: [1, 2] }).value,
    ).to.deep.equal({
      each: [2],
    });
    const document = { $document: "d.json", $set: { "a.b": "$drop", "a.c": "${a.?q}" } };
    expect(render(document, { a: {} }, { readDocument: () => ({ a: { b: 1, c: 2 } }) }).value).to.deep.equal({ a: { c: 2 } });
    expect([{ $json: "$drop" }, { $file: "$drop" }, "$drop"].map((value) => render(value).value)).to.deep.equal([
      missing,
      missing,
      missing,
    ]);
  });
});
