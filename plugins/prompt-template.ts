// Puts the prompt into a text of the operator's.
import { GatewayError } from "../src/errors.ts";
import type { PluginContext } from "../src/plugin/context.ts";
import { definePlugin, untouched } from "../src/plugin/define.ts";

export default definePlugin({
  name: "prompt-template",
  summary: "Put the client's prompt into a text of the operator's.",
  schema: {
    type: "object",
    additionalProperties: false,
    required: ["template"],
    properties: {
      template: { type: "string", pattern: "\\{prompt\\}", description: "What becomes of the prompt, which stands where `{prompt}` does." },
      negative_prompt: {
        type: "string",
        minLength: 1,
        description: "What is added to the negative prompt after a comma; all of it where the client gave none.",
      },
    },
  },
  examples: [{ template: "{prompt}, studio light" }, { template: "{prompt}", negative_prompt: "text, watermark" }],
  create: ({ template, negative_prompt: unwanted }) =>
    async function promptTemplate(ctx, next) {
      const { prompt, negative_prompt: said = "" } = ctx.request;
      // A function, since in a text `$&` would mean something.
      set(
        ctx,
        "prompt",
        prompt,
        template.replaceAll("{prompt}", () => prompt),
      );
      if (unwanted !== undefined) set(ctx, "negative_prompt", said, said === "" ? unwanted : `${said}, ${unwanted}`);
      await next(untouched);
    },
});

/** The client's text was within the model's limit, which counts code points; with what the operator adds it may not be. */
function set(ctx: PluginContext, field: "prompt" | "negative_prompt", said: string, text: string): void {
  if (text === said) return;
  const [own, whole] = [Array.from(said).length, Array.from(text).length];
  const limit = Number(ctx.model.fields[field]?.maxLength ?? Infinity);
  if (whole > limit) {
    const room = `${Math.max(0, limit - (whole - own))} characters long here, where ${whole - own} are added to it`;
    throw new GatewayError("string_above_max_length", `${field} must be at most ${room}, not ${own}`, { param: field });
  }
  ctx.request[field] = text;
  ctx.change(field, { what: "put into a template" });
}
