import { expect } from "chai";
import fc from "fast-check";
import { compileExpression, ExpressionError, ExpressionFailure, missing, MissingValue } from "../../src/expression/cel.ts";
import { channelNames, mostPictures, settingNames, testNames, type Names } from "../../src/expression/names.ts";
import type { TemplateOptions } from "../../src/expression/rendering.ts";
import { compileTemplate, compileUrl } from "../../src/expression/template.ts";
import { compileCondition } from "../../src/expression/text.ts";
import { LongText } from "../../src/picture/lift.ts";
import { stopwatch } from "../helpers/turns.ts";

const names: Names = {
  place: "test",
  variables: { a: { about: "" }, b: { about: "" }, request: { about: "", fields: ["size", "style"] } },
};

function compile(value: unknown, options: Partial<TemplateOptions> = {}) {
  const problems: string[] = [];
  const template = compileTemplate(value, [], {
    names,
    report: (path, message, offset = 0) => problems.push(`${path.join(".")}@${offset}: ${message}`),
    ...options,
  });
  return { template, problems };
}

/** What a template renders to, and which names went into it. */
function render(value: unknown, variables: Record<string, unknown> = {}, options: Partial<TemplateOptions> = {}) {
  const { template, problems } = compile(value, options);
  expect(problems).to.deep.equal([]);
  const used = new Set<string>();
  return { value: template({ variables, used, mapped: () => undefined }), used: [...used] };
}

const evaluate = (text: string, variables: Record<string, unknown> = {}) => compileExpression(text, names).evaluate(variables);

describe("a template", () => {
  it("without expressions is the value itself", () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 4 }).filter((value) => !/\$/.test(JSON.stringify(value))),
        (value) => void expect(render(value, {}, { plainNull: true }).value).to.deep.equal(value),
      ),
      { numRuns: 300 },
    );
  });

  it("of one expression keeps the value's type, and the value", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3 }), (a) => void expect(render("${a}", { a }).value).to.deep.equal(a)),
      { numRuns: 300 },
    );
  });

  it("puts values into text: texts as they are, the rest as JSON", () => {
    expect(render("${a}-${b}", { a: "x", b: 1.5 }).value).to.equal("x-1.5");
    expect(render("${a}-${b}", { a: true, b: { c: [1] } }).value).to.equal('true-{"c":[1]}');
  });

  it("leaves a text out when a part of it is missing or null, and what went into it went nowhere", () => {
    expect(render({ t: "${a}-${b}", k: 1 }, { a: 1 })).to.deep.equal({ value: { k: 1 }, used: [] });
    expect(render("${a}-${b}", { a: 1, b: null }).value).to.equal(missing);
    expect(render("${a}-${b}", { a: 1, b: 2 }).used).to.deep.equal(["a", "b"]);
  });

  it("knows literal dollars, and braces and quotes inside an expression", () => {
    expect(render("$${a} $a $$ { } ${a}", { a: 1 }).value).to.equal("${a} $a $$ { } 1");
    expect(render("${ {'}': \"\\\"}\"}['}'] + '{' }").value).to.equal('"}{');
  });

  it("removes missing keys and items, and keeps what is falsy", () => {
    expect(render({ x: "${a.?b}", list: ["${a.?b}", 0, false, "", {}, "${null}", "$drop"], y: "$drop" }, { a: {} }).value).to.deep.equal({
      list: [0, false, "", {}, null],
    });
  });

  it("says what is missing where it must be there", () => {
    expect(() => render("${a.b.c}", { a: { b: {} } }, { required: true })).to.throw(MissingValue, "a.b.c is not there");
    expect(() => render("x ${a.b[3]}", { a: { b: [] } }, { required: true })).to.throw(MissingValue);
    expect(render("${a.?b.c}", { a: {} }, { required: true }).value).to.equal(missing);
  });

  it("reads a table by texts, numbers, booleans, null and objects", () => {
    const table = { $map: "${a}", to: { x: 1, "2": "two", true: "yes", null: "none", '{"k":1}': "object" } };
    const read = (a: unknown) => render(table, { a }).value;
    expect(["x", 2, true, null, { k: 1 }, "other"].map(read)).to.deep.equal([1, "two", "yes", "none", "object", missing]);
    expect(render(table).value).to.equal(missing);
  });

  it("tells a table's else as a change of its fields, and of no other name", () => {
    const { template } = compile({ $map: "${request.size}", to: {}, else: "${a}" });
    const told: unknown[] = [];
    expect(template({ variables: { request: { size: "9" }, a: 5 }, used: new Set(), mapped: (...all) => told.push(all) })).to.equal(5);
    expect(told).to.deep.equal([["request.size", "9", 5]]);
  });

  it("has an object only while its condition holds, and the condition's fields count as used", () => {
    const value = { o: { $when: "request.style == 'oil'", k: 1 } };
    expect(render(value, { request: { style: "oil" } })).to.deep.equal({ value: { o: { k: 1 } }, used: ["request.style"] });
    expect(render(value, { request: { style: "ink" } })).to.deep.equal({ value: {}, used: [] });
    expect(render(value, { request: {} }).value).to.deep.equal({});
  });

  for (const [value, problem] of [
    ["${request.sise}", "@10: unknown field request.sise (did you mean size?)"],
    ["x ${rekwest.size}", "@4: unknown name rekwest"],
    ["${a", "@0: the expression is not closed"],
    ["${a +}", "@"],
    ["${'a' - 1}", "@2: "],
    ["${a.matches('x')}", "matches is not offered"],
    [{ $mapp: "${a}" }, "$mapp@0: unknown directive $mapp (did you mean $map?)"],
    [{ $map: "${a}" }, "$map needs its table"],
    [{ $map: "${a}", to: {}, otherwise: 1 }, "otherwise@0: unknown key otherwise beside $map"],
    [{ $merge: "${a}" }, "$merge stands alone"],
    [{ $merge: [], x: 1 }, "$merge stands alone"],
    [{ $when: "${a}" }, "$when@0: a condition is a bare expression"],
    [{ $when: true }, "$when@0: a condition is a bare expression"],
    [{ $when: "a ==" }, "$when@"],
  ] as const) {
    it(`that is wrong is told with its place: ${JSON.stringify(value)}`, () => {
      const { template, problems } = compile(value);
      expect(problems).to.have.length(1);
      expect(problems[0]).to.contain(problem);
      // Rendering it does no harm; the load fails anyway.
      template({ variables: {}, used: new Set(), mapped: () => undefined });
    });
  }
});

describe("a condition", () => {
  const holds = (text: string, variables: Record<string, unknown>) =>
    compileCondition(text, [], { names, report: () => expect.fail() })(variables);

  it("holds only for true", () => {
    expect([holds("a == 1", { a: 1 }), holds("a", { a: 1 }), holds("a.x.y == 1", { a: {} })]).to.deep.equal([true, false, false]);
  });

  it("says when it cannot be answered", () => {
    expect(() => holds("a > 1", { a: "x" })).to.throw(ExpressionFailure, "${a > 1}");
  });
});

describe("a URL", () => {
  const all: Names = {
    place: "t",
    variables: { ...names.variables, model: { about: "" }, variables: { about: "" }, submitted: { about: "" } },
  };
  const url = (text: string, variables: Record<string, unknown>) =>
    compileUrl(text, [], { names: all, report: () => expect.fail() })({ variables, used: new Set(), mapped: () => undefined });

  it("keeps what was put in as one segment", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1 }), (style) => {
        const rendered = String(url("/v1/${request.style}/x", { request: { style } }));
        expect(rendered.split("/")).to.have.length(4);
        expect(rendered).not.to.match(/[?#\\\s]/);
        expect(decodeURIComponent(rendered.split("/")[2]!)).to.equal(style);
      }),
      { numRuns: 500 },
    );
  });

  it("lets the operator's own words stand", () => {
    expect(url("/${model.upstream}?${variables.q}", { model: { upstream: "a/b" }, variables: { q: "c=d" } })).to.equal("/a/b?c=d");
  });

  it("is a provider's whole where it stands alone, and never a client's", () => {
    expect(url("${submitted.url}", { submitted: { url: "https://a.example/?b" } })).to.equal("https://a.example/?b");
    expect(url("/${submitted.id}", { submitted: { id: "a/b?c" } })).to.equal("/a%2Fb%3Fc");
    expect(url("${request.style}", { request: { style: "https://a.example/" } })).to.equal("https%3A%2F%2Fa.example%2F");
  });

  it("refuses half a character", () => {
    expect(() => url("/${request.style}", { request: { style: "\ud800" } })).to.throw(ExpressionFailure, "request.style");
  });
});

describe("an expression", () => {
  it("computes with JSON's numbers and its own", () => {
    expect([
      evaluate("a + 1", { a: 2 }),
      evaluate("7 - a", { a: 2 }),
      evaluate("a * 2 / 4 % 3", { a: 10 }),
      evaluate("round(a)", { a: 2.5 }),
    ]).to.deep.equal([3, 5, 2, 3]);
    expect(evaluate("int('1024')")).to.equal(1024);
  });

  it("gives JSON's values back, also inside lists and maps", () => {
    expect(evaluate("[1, a.?x, {'k': [2, a.?x], 'm': a.?x}, a]", { a: {} })).to.deep.equal([1, { k: [2] }, {}]);
    expect(evaluate("a.?x.orValue('d')", { a: {} })).to.equal("d");
  });

  it("replaces literally, and finds by RE2 in bounded time", () => {
    expect(evaluate("a.replace('.', '$&')", { a: "1.2.3" })).to.equal("1$&2$&3");
    const took = stopwatch();
    expect(evaluate("rx(a, '(a+)+$')", { a: `${"a".repeat(50_000)}!` })).to.equal(false);
    expect(evaluate("rx(a, '^\\\\d+$') && rx(a, '^\\\\d+$')", { a: "12" })).to.equal(true);
    expect(took()).to.be.below(5000);
    expect(() => evaluate("rx(a, '(')", { a: "" })).to.throw(ExpressionFailure);
  });

  it("forgets patterns rather than grow", () => {
    for (let index = 0; index < 1001; index += 1) expect(evaluate("rx('x1000', a)", { a: `^x${index}$` })).to.equal(index === 1000);
  });

  it("reads only what a value has of its own", () => {
    for (const name of ["constructor", "__proto__", "toString", "hasOwnProperty", "valueOf"]) {
      expect(() => evaluate(`a.${name}`, { a: {} })).to.throw(MissingValue);
      expect(evaluate(`a.?${name}`, { a: {} })).to.equal(missing);
      expect(evaluate(`a.${name}`, { a: JSON.parse(`{"${name}":1}`) as unknown })).to.equal(1);
    }
    expect(() => evaluate("a.length", { a: "text" })).to.throw();
    expect(() => evaluate("a.constructor", { a: [] })).to.throw();
  });

  it("hands a long text on and reads nothing of it", () => {
    const a = new LongText({ text: { kind: "bytes", bytes: Buffer.from("x") } });
    expect(evaluate("a", { a })).to.equal(a);
    expect(evaluate("[a][0]", { a })).to.equal(a);
    expect(() => evaluate("a.ascii", { a })).to.throw();
  });

  for (const [name, text] of Object.entries({
    "deep parentheses": `${"(".repeat(500)}1${")".repeat(500)}`,
    "deep lists": `${"[".repeat(500)}${"]".repeat(500)}`,
    "a long sum": Array.from({ length: 3000 }, () => "1").join("+"),
    "a long list": `[${Array.from({ length: 1000 }, () => "1").join(",")}]`,
    "a long path": `a${".b".repeat(3000)}`,
  })) {
    it(`of no sensible size is refused: ${name}`, () => expect(() => evaluate(text)).to.throw(ExpressionError));
  }

  it("fails, or gives a value, and nothing else", () => {
    const pieces = fc.constantFrom(
      "a",
      "b",
      ".x",
      ".?x",
      "[0]",
      "+",
      "==",
      "(",
      ")",
      "'s'",
      "1",
      "1.5",
      "?",
      ":",
      "&&",
      "!",
      "{",
      "}",
      "[",
      "]",
      ",",
      "size",
      "request.size",
      ".map(i, i)",
      "has(a.x)",
      " in ",
      "null",
      "-",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 8 }), fc.jsonValue({ maxDepth: 2 }), (parts, a) => {
        try {
          compileExpression(parts.join(""), names).evaluate({ a, b: [1], request: {} });
        } catch (error) {
          if (!(error instanceof ExpressionError || error instanceof MissingValue || error instanceof ExpressionFailure)) throw error;
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe("the names of a place", () => {
  it("are those of the design's table", () => {
    const { request, answer, image, errors } = channelNames(["size"], ["region"]);
    expect(compileExpression("request.size + variables.region + size.text + model.upstream", request).uses.size).to.equal(4);
    expect(() => compileExpression("body", request)).to.throw(ExpressionError, "unknown name body");
    expect(() => compileExpression("image", answer)).to.throw(ExpressionError, "unknown name image");
    expect(compileExpression("image.url", image).uses).to.deep.equal(new Set(["image.url"]));
    expect(() => compileExpression("request.size", errors)).to.throw(ExpressionError, "unknown name request");
    expect(compileExpression("request.anything", channelNames(undefined, []).request).uses.size).to.equal(1);
  });

  it("of settings read files, and of tests draw pictures", () => {
    expect(compileExpression("file('package.json')", settingNames).evaluate({})).to.contain('"pictor"');
    expect(() => compileExpression("file('not/there')", settingNames).evaluate({})).to.throw(ExpressionFailure, "ENOENT");
    expect(compileExpression("png(8, 8)", testNames).evaluate({})).to.match(/^iVBORw0KGgo/);
    // As it is called, also once more and after many others.
    const calls = Array.from({ length: mostPictures }, (_, index) => [`png(${index + 1}, 8)`, `mask(${index + 1}, 8)`]).flat();
    const draw = () => calls.map((call) => compileExpression(call, testNames).evaluate({}));
    const first = draw();
    expect(new Set(first)).to.have.lengthOf(2 * mostPictures);
    expect(draw()).to.deep.equal(first);
  });
});
