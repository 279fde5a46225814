// The form that is made of a model's schema.
import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { describedIn, fieldsOf, valueOf, type Schema } from "../../src/console/app/schema.ts";

const common = JSON.parse(await readFile("channels/models/common.json", "utf8")) as Schema;
const fields = (properties: Schema["properties"]) => fieldsOf({ properties, $defs: { common } });
const field = (name: string, properties: Schema["properties"] = {}) => fields(properties).find((one) => one.name === name);

describe("console: the form of a model", () => {
  it("has the fields that all models share, and not those that stand elsewhere", () => {
    const names = fields({}).map(({ name }) => name);
    expect(names.slice(0, 3)).to.deep.equal(["size", "n", "quality"]);
    expect(names).to.include.members(["seed", "negative_prompt", "watermark"]);
    expect(names).not.to.include.members(["model", "prompt", "image", "mask", "stream"]);
  });

  it("narrows a field as the model does, and leaves out what it does not take", () => {
    expect(field("quality", { quality: { enum: ["low", "high"], default: "low" } })).to.include({
      kind: "choice",
      usual: "low",
      title: "Quality",
    });
    expect(field("seed", { seed: false })).to.equal(undefined);
    expect(field("style", { style: { const: "plain" } })).to.equal(undefined);
    expect(field("seed", { seed: { maximum: 9 } })).to.include({ kind: "number", max: 9, isWhole: true });
  });

  it("adds a field that is the model's own", () => {
    expect(field("face_boost", { face_boost: { type: "number", exclusiveMinimum: 0, maximum: 1 } })).to.include({
      title: "face boost",
      kind: "number",
      min: 0,
      isWhole: false,
    });
    expect(field("loras", { loras: { type: "array" } })).to.include({ kind: "json" });
    expect(field("note", { note: true })).to.include({ kind: "text" });
    expect(field("background", { background: { anyOf: [{ enum: ["auto"] }, { type: "object" }] } })).to.deep.include({
      kind: "choice",
      values: ["auto"],
    });
  });

  it("offers the sizes of a model, and others only where it takes them", () => {
    expect(field("size", { size: { "x-size": { one_of: ["1:1"] } } })).to.deep.include({ kind: "size", values: ["1:1"], isOpen: false });
    expect(field("size", { size: { "x-size": { one_of: ["1:1"], pixels: {} } } })).to.include({ isOpen: true });
    expect(field("size")).to.include({ kind: "size", isOpen: true });
  });

  it("reads what was written as the request has it", () => {
    expect(valueOf(field("n")!, " ")).to.equal(undefined);
    expect(valueOf(field("n")!, "2")).to.equal(2);
    expect(valueOf(field("watermark")!, "false")).to.equal(false);
    expect(valueOf(field("size")!, "1280x720")).to.equal("1280x720");
    expect(valueOf(field("output_format")!, "png")).to.equal("png");
    const json = { kind: "json", values: [], isOpen: false } as const;
    expect(valueOf(json, `{"a":1}`)).to.deep.equal({ a: 1 });
    expect(() => valueOf(json, "{")).to.throw(SyntaxError);
  });

  it("knows how long a prompt may be", () => {
    expect(describedIn({ properties: { prompt: { maxLength: 7 } }, $defs: { common } }, "prompt")).to.include({
      maxLength: 7,
      title: "Prompt",
    });
    expect(describedIn({}, "prompt")).to.deep.equal({});
  });
});
