import { expect } from "chai";
import { readSize } from "../../src/size/parse.ts";
import { accepted, refused, shippedModel, shippedSchema } from "./shipped.ts";

const ratios = ["1:1", "4:3", "3:2", "2:3", "16:9", "9:16"];
const tiers = ratios.flatMap((ratio) => [`${ratio}(2K)`, `${ratio}(4K)`]);
const table = [
  ["1024x1024", "1536x1152", "1536x1024", "1024x1536", "1920x1080", "1080x1920"],
  ["2048x2048", "2048x1536", "2560x1712", "1712x2560", "2048x1152", "1152x2048"],
  ["2880x2880", "3840x2880", "3840x2560", "2560x3840", "3840x2160", "2160x3840"],
].flat();
const threeSizes = ["auto", "1024x1024", "1536x1024", "1024x1536"];
const beyondPixels = ["1000x1000", "3856x2160", "3072x1008", "1008x640", "3840x2176", "0x1024"];
const seedream45 = {
  fine: ["2K", "4K", "2048x2048", "1920x1920", "4096x4096"],
  not: ["1K", "auto", "1024x1024", "1919x1921", "4097x4096", "8000x499"],
};

/** Per model: sizes that must be accepted, and their nearest neighbours that must not. */
const sizes: Record<string, { fine: string[]; not: string[] }> = {
  "dall-e-2": { fine: ["256x256", "512x512", "1024x1024"], not: ["auto", "1024x1792", "256x257", "1:1"] },
  "dall-e-3": { fine: ["1024x1024", "1024x1792", "1792x1024"], not: ["auto", "512x512", "1792x1792"] },
  "gpt-image-1": { fine: threeSizes, not: ["1000x1000", "2048x2048", "3:2"] },
  "gpt-image-1-mini": { fine: threeSizes, not: ["1536x1536"] },
  "gpt-image-1.5": { fine: threeSizes, not: ["1536x1536"] },
  "gpt-image-2": {
    fine: ["auto", ...ratios, "1024x640", "3840x2160", "3840x1280", "1280x3840", "1536x864"],
    not: [...beyondPixels, ...tiers, "3:4", "2K", "1920x1080", "3840x2880", "3840x1264"],
  },
  "gpt-image-2.5": { fine: ["auto", ...ratios, "1024x640", "3840x2160", "1536x864"], not: [...beyondPixels, ...tiers, "2K"] },
  "gpt-image-2.6": { fine: ["auto", ...ratios, "1024x640", "3840x2160", "1536x864"], not: [...beyondPixels, ...tiers, "2K"] },
  "gpt-image-2-pro": {
    fine: ["auto", ...ratios, ...tiers, ...table, "1536x864"],
    not: [...beyondPixels, "3:4(2K)", "16:9(8K)", "2K", "1920x1088x"],
  },
  kolors: { fine: ["1024x1024", "960x1280", "768x1024", "720x1440", "720x1280"], not: ["1280x960", "auto"] },
  "qwen-image": { fine: ["1328x1328", "1664x928", "928x1664", "1472x1140", "1140x1472", "1584x1056", "1056x1584"], not: ["1024x1024"] },
  "cogview-4": {
    fine: ["1024x1024", "768x1344", "720x1440", "512x2048", "2048x1024"],
    not: ["496x1024", "2064x512", "1000x1024", "2048x1040"],
  },
  "cogview-3-flash": { fine: ["1024x1024", "1152x864"], not: ["500x500"] },
  "glm-image": { fine: ["1280x1280", "1728x960", "2048x2048"], not: ["1296x1280", "480x1024", "2080x1024"] },
  "seedream-3.0": { fine: ["512x512", "2048x2048", "513x777"], not: ["511x1024", "2049x1024", "2K"] },
  "seedream-4.0": { fine: ["1K", "2K", "4K", "960x960", "4096x4096", "1280x720"], not: ["3K", "959x960", "4097x4096", "16000x800"] },
  "seedream-4.5": seedream45,
  "seedream-5.0-lite": { fine: [...seedream45.fine, "3K"], not: seedream45.not },
  "seedream-5.0-pro": { fine: ["1K", "1.5K", "2K", "1024x1024"], not: ["4K", "2304x2304"] },
  demo: { fine: ["auto", ...ratios, ...tiers, "16x16", "4096x4096", "1000x1000", "17x31"], not: ["15x16", "4097x4096", "3:4"] },
};

const defaults: Record<string, object> = {
  "dall-e-2": { size: "1024x1024" },
  "dall-e-3": { size: "1024x1024", quality: "standard" },
  "gpt-image-1": { quality: "auto" },
  "gpt-image-1-mini": { quality: "auto" },
  "gpt-image-1.5": { quality: "auto" },
  kolors: { size: "1024x1024" },
  "qwen-image": { size: "1328x1328" },
  "cogview-4": { size: "1024x1024", quality: "standard" },
  "cogview-3-flash": { size: "1024x1024" },
  "glm-image": { size: "1280x1280" },
  "seedream-3.0": { size: "1024x1024" },
  "seedream-4.0": { size: "2048x2048" },
  "seedream-4.5": { size: "2048x2048" },
  "seedream-5.0-lite": { size: "2048x2048" },
  "seedream-5.0-pro": { size: "2K" },
  demo: { size: "1024x1024" },
};

const promptLimits = {
  "dall-e-2": 1000,
  "dall-e-3": 4000,
  "gpt-image-1": 32000,
  "gpt-image-1-mini": 32000,
  "gpt-image-1.5": 32000,
  "gpt-image-2": 32000,
  "gpt-image-2.5": 32000,
  "gpt-image-2.6": 32000,
  "gpt-image-2-pro": 32000,
};

/** A provider's own fields: a value that is fine and one that is not. */
const extras: [model: string, field: string, fine: unknown, not: unknown][] = [
  ["kolors", "seed", 9999999999, 10000000000],
  ["kolors", "num_inference_steps", 100, 0],
  ["kolors", "guidance_scale", 7.5, 20.5],
  ["kolors", "image", ["https://example.com/1.png"], ["a", "b"]],
  ["qwen-image", "cfg", 0.1, 0],
  ["seedream-3.0", "seed", -1, -2],
  ["seedream-3.0", "guidance_scale", 2.5, 0.5],
  ["seedream-4.0", "sequential_image_generation", "auto", "on"],
  ["seedream-4.0", "sequential_image_generation_options", { max_images: 15 }, { max_images: 16 }],
  ["seedream-4.0", "optimize_prompt_options", { mode: "fast" }, { mod: "fast" }],
  ["seedream-4.0", "images", Array(14).fill("a"), Array(15).fill("a")],
  ["seedream-4.5", "optimize_prompt_options", { mode: "standard" }, { mode: "fast" }],
  ["seedream-5.0-lite", "tools", [{ type: "web_search" }], [{ type: "shell" }]],
  ["seedream-5.0-lite", "output_format", "webp", "gif"],
  ["seedream-5.0-pro", "layer_decomposition", true, "yes"],
  ["gpt-image-1", "moderation", "low", "none"],
  ["gpt-image-1", "input_fidelity", "high", "medium"],
  ["gpt-image-1", "quality", "high", "hd"],
  ["gpt-image-1-mini", "input_fidelity", "low", "high"],
  ["gpt-image-2", "quality", "high", "xhigh"],
  ["gpt-image-2.5", "quality", "max", "hd"],
  ["gpt-image-2.6", "complexity", "high", "xhigh"],
  ["gpt-image-1", "images", Array(16).fill("a"), Array(17).fill("a")],
  ["dall-e-2", "quality", "standard", "hd"],
  ["dall-e-3", "quality", "hd", "high"],
];

// The models of the facts above. What every other model takes is shown by its channel's own tests.
const models = Object.keys(sizes);

describe("the shipped models", () => {
  for (const name of models) {
    it(`${name} takes its sizes, and not their neighbours`, () => {
      const { fine, not } = sizes[name]!;
      for (const size of fine) expect(accepted(name, { size }).size).to.equal(size);
      for (const size of not) expect(refused(name, { size }), size).to.include({ code: "invalid_value", param: "size" });
    });

    it(`${name} fills in its defaults and nothing else`, () => {
      expect(accepted(name, {})).to.deep.equal({ model: name, prompt: "a cat", n: 1, ...defaults[name] });
    });

    it(`${name} takes n up to ${name === "dall-e-3" ? 1 : 10}`, () => {
      const most = name === "dall-e-3" ? 1 : 10;
      expect(accepted(name, { n: most }).n).to.equal(most);
      const error = refused(name, { n: most + 1 });
      expect(error).to.include({ code: "integer_above_max_value", param: "n" });
      expect(error.message).to.equal(`n must be at most ${most}, not ${most + 1}`);
      expect(refused(name, { n: 0 }).code).to.equal("integer_below_min_value");
    });

    it(`${name} takes every common field, and names what it takes`, () => {
      const { properties, open } = shippedModel(name);
      expect(properties).to.include.members(Object.keys(shippedSchema("common").properties!));
      expect(new Set(properties).size).to.equal(properties.length);
      expect(open).to.equal(false);
      const fields = {
        style: { a: [1] },
        background: { color: "#fff" },
        watermark: false,
        user: "u",
        seed: 7,
        negative_prompt: "dogs",
        metadata: { a: null },
        response_format: "base64",
      };
      expect(accepted(name, fields)).to.deep.include(fields);
    });

    it(`${name} is described for people, with canonical sizes`, () => {
      const schema = shippedSchema(name);
      expect(schema.$id).to.equal(`${name}.json`);
      expect(schema.title).to.be.a("string");
      expect(schema.description).to.match(/^[A-Z].*\.$/);
      const common = shippedSchema("common").properties!;
      for (const [field, property] of Object.entries(schema.properties!))
        expect(property.description ?? common[field]?.description, field).to.match(/^[A-Z].*\.$/);
      for (const size of sizes[name]!.fine) expect(readSize(size)?.text).to.equal(size);
    });
  }

  for (const [name, limit] of Object.entries(promptLimits)) {
    it(`${name} counts a prompt in code points, up to ${limit}`, () => {
      expect(accepted(name, { prompt: "🐈".repeat(limit) }).n).to.equal(1);
      const error = refused(name, { prompt: "🐈".repeat(limit + 1) });
      expect(error).to.include({ code: "string_above_max_length", param: "prompt" });
      expect(error.message).to.equal(`prompt must be at most ${limit} characters long, not ${limit + 1}`);
    });
  }

  for (const [name, field, fine, not] of extras) {
    it(`${name} limits ${field}`, () => {
      expect(accepted(name, { [field]: fine })[field]).to.deep.equal(fine);
      expect(refused(name, { [field]: not }).param).to.match(new RegExp(`^${field}`));
    });
  }

  it("dall-e-3 takes two styles, or any object", () => {
    for (const style of ["vivid", "natural", {}, { mood: "calm" }]) expect(accepted("dall-e-3", { style }).style).to.deep.equal(style);
    expect(refused("dall-e-3", { style: "calm" }).message).to.equal('style must be one of vivid, natural or an object, not "calm"');
    expect(refused("dall-e-3", { style: 5 })).to.include({ code: "invalid_type", message: "style must be a string or an object, not 5" });
  });
});
