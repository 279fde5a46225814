import { expect } from "chai";
import { failureOf, run } from "./run.ts";

const nothing = () => ({});

describe("prompt-template", () => {
  it("puts the prompt where it belongs, letter for letter, and tells", async () => {
    const { sent, changes, ctx } = await run(
      "prompt-template",
      { template: "a photo of {prompt}, {prompt}!" },
      { prompt: "$& {prompt}" },
      nothing,
    );
    expect(sent[0]?.prompt).to.equal("a photo of $& {prompt}, $& {prompt}!");
    expect(changes).to.deep.equal([{ field: "prompt", what: "put into a template" }]);
    expect(ctx.input.prompt).to.equal("$& {prompt}");
  });

  it("adds to the negative prompt, or is it", async () => {
    const options = { template: "{prompt}", negative_prompt: "text" };
    const { sent, changes } = await run("prompt-template", options, { negative_prompt: "dogs" }, nothing);
    expect([sent[0]?.prompt, sent[0]?.negative_prompt]).to.deep.equal(["p", "dogs, text"]);
    expect(changes).to.deep.equal([{ field: "negative_prompt", what: "put into a template" }]);
    expect((await run("prompt-template", options, {}, nothing)).sent[0]?.negative_prompt).to.equal("text");
  });

  it("leaves the negative prompt alone where nothing is said of it", async () => {
    const { sent } = await run("prompt-template", { template: "{prompt}." }, { negative_prompt: "dogs" }, nothing);
    expect(sent[0]).to.include({ prompt: "p.", negative_prompt: "dogs" });
  });

  it("refuses a prompt for which the template leaves no room, counted as the schema counts", async () => {
    const model = { id: "m", upstream: "m", fields: { prompt: { maxLength: 10 } } };
    const ask = (prompt: string) => run("prompt-template", { template: "{prompt}, light" }, { prompt }, nothing, { model });
    expect((await ask("🦊🦊🦊")).sent[0]?.prompt).to.equal("🦊🦊🦊, light");
    expect(await failureOf(ask("🦊🦊🦊🦊"))).to.include({
      code: "string_above_max_length",
      param: "prompt",
      message: "prompt must be at most 3 characters long here, where 7 are added to it, not 4",
    });
  });
});
