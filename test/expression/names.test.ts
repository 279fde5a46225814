// Names of templates, and the expressions compiled for them, are made once.
import { expect } from "chai";
import { channelNames, mostNames } from "../../src/expression/names.ts";
import { compileOnce, mostExpressions } from "../../src/expression/text.ts";

describe("the names of a channel's templates", () => {
  it("are made once, with their expressions, until there are too many", () => {
    const make = () => channelNames(["size"], ["region"], [], "once");
    const names = make().request;
    const compile = () => compileOnce("request.size + variables.region", names);
    const expression = compile();
    expect(make().request).to.equal(names);
    expect(compile()).to.equal(expression);
    expect(channelNames(["size"], ["region"], [], "another").request).not.to.equal(names);
    for (let count = 0; count < mostNames; count += 1) channelNames(undefined, [`of${count}`]);
    expect(make().request).not.to.equal(names);
    for (let count = 0; count < mostExpressions; count += 1) compileOnce(String(count), names);
    expect(compile()).not.to.equal(expression);
  });
});
