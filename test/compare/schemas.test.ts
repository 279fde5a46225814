// What the shipped channels send is valid by the request schemas that OpenAI and Together AI publish, in which no other key is allowed.
import { readFile } from "node:fs/promises";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { expect } from "chai";
import sharp from "sharp";
import { catUri, startBoth, type Both } from "./both.ts";

interface Row {
  channel: string;
  asks: ({ model: string } & Record<string, unknown>)[];
}

const uriOf = (bytes: Buffer) => `data:image/png;base64,${bytes.toString("base64")}`;
const clear = { create: { width: 256, height: 256, channels: 4 as const, background: "#00000000" } };
const mask = uriOf(await sharp(clear).png().toBuffer());

/** Every field that the schema of an OpenAI model has. */
const all = {
  n: 3,
  background: "opaque",
  moderation: "low",
  output_format: "jpeg",
  output_compression: 60,
  response_format: "b64_json",
  safety_identifier: "s1",
  user: "u1",
};
const images = [catUri, catUri];
/** What today's models of OpenAI are asked for, wherever they are. */
const today = [
  { model: "gpt-image-2", ...all, size: "16:9", quality: "high" },
  { model: "gpt-image-2", size: "3840x2160", background: "transparent", output_format: "webp" },
  { model: "gpt-image-2", stream: true, partial_images: 3 },
  { model: "gpt-image-2", ...all, image: images, mask, quality: "low" },
  { model: "gpt-image-2.5-flare", ...all, size: "2:3", quality: "xhigh", complexity: "low" },
  { model: "gpt-image-2.5-sunburst", image: catUri, markup: mask, quality: "max", complexity: "high" },
  { model: "gpt-image-2.6-flare", size: "auto", quality: "auto", complexity: "medium" },
  { model: "gpt-image-2.6-sunburst", image: images, markup: mask, stream: true, partial_images: 0 },
];
const earlier = [
  { model: "gpt-image-1.5", ...all, size: "1536x1024", quality: "medium" },
  { model: "gpt-image-1.5", ...all, image: images, mask, input_fidelity: "high" },
  { model: "gpt-image-1-mini", image: catUri, input_fidelity: "low", size: "1024x1536" },
  { model: "dall-e-3", n: 1, size: "1792x1024", quality: "hd", style: "natural", response_format: "url", user: "u1" },
];
/** A relay is handed what the client says: a field that OpenAI refuses is the client's to leave out, as `moderation` is of an edit. */
const handedOn = today.map((ask) => ({ ...ask, response_format: undefined, ...("image" in ask && { moderation: undefined }) }));

const openai: Row[] = [
  { channel: "openai", asks: [...today, ...earlier, { model: "dall-e-2", n: 2, size: "512x512", response_format: "b64_json" }] },
  { channel: "azure-openai", asks: [...today, ...earlier] },
  { channel: "relay", asks: [...handedOn, { model: "gpt-image-2-pro", n: 2, size: "16:9(4K)", quality: "low", user: "u1" }] },
];
const together: Row[] = [
  {
    channel: "together",
    asks: [
      {
        model: "black-forest-labs/FLUX.1-schnell",
        n: 4,
        size: "1024x768",
        seed: 7,
        steps: 4,
        guidance_scale: 3.5,
        negative_prompt: "dogs",
        output_format: "png",
        response_format: "url",
      },
      { model: "black-forest-labs/FLUX.2-dev", size: "512x512", output_format: "webp", response_format: "b64_json" },
      { model: "black-forest-labs/FLUX.2-dev", image: images, seed: 7, steps: 20, guidance_scale: 4, output_format: "jpeg" },
    ],
  },
];

/** Texts of a form stand for numbers and booleans. */
async function schemaOf(file: string, coerceTypes = false): Promise<(part?: string) => ValidateFunction> {
  const ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, allErrors: true, coerceTypes });
  ajv.addSchema(JSON.parse(await readFile(`test/compare/${file}`, "utf8")) as object);
  return (part) => ajv.getSchema(part === undefined ? file : `${file}#/$defs/${part}`)!;
}

const [json, form, togethers] = await Promise.all([
  schemaOf("openai-images.json"),
  schemaOf("openai-images.json", true),
  schemaOf("together-images.json"),
]);
const openaiSchemas = { generate: json("generate"), edit: form("edit") };
const togetherSchemas = { generate: togethers(), edit: togethers() };

const wrong = (validate: ValidateFunction, body: unknown) =>
  validate(body) ? [] : (validate.errors ?? []).map(({ instancePath, message, params }) => [instancePath, message, params]);

describe("compare: published schemas and the shipped channels", () => {
  let both: Both;
  before(async () => {
    both = await startBoth([...openai, ...together].map(({ channel }) => channel));
  });
  after(() => both.close());

  for (const [rows, schemas] of [
    [openai, openaiSchemas],
    [together, togetherSchemas],
  ] as const)
    for (const { channel, asks } of rows)
      for (const [index, ask] of asks.entries())
        it(`${channel} sends what is valid: ${ask.model} (${index + 1})`, async () => {
          const { body } = await both.ours(channel, ask);
          expect(wrong("image" in ask ? schemas.edit : schemas.generate, body)).to.deep.equal([]);
        });

  const file = { type: "image/png", base64: "" };
  const drawn = { model: "gpt-image-2", prompt: "a cat" };
  for (const [what, validate, body] of [
    ["a key that nobody knows", openaiSchemas.generate, { ...drawn, seed: 7 }],
    ["a text for a number", openaiSchemas.generate, { ...drawn, n: "2" }],
    ["response_format", openaiSchemas.generate, { ...drawn, response_format: "b64_json" }],
    ["a stream of dall-e-3", openaiSchemas.generate, { ...drawn, model: "dall-e-3", stream: true }],
    ["complexity of gpt-image-2", openaiSchemas.generate, { ...drawn, complexity: "low" }],
    ["a ratio", openaiSchemas.generate, { ...drawn, size: "16:9" }],
    ["a transparent jpeg", openaiSchemas.generate, { ...drawn, background: "transparent", output_format: "jpeg" }],
    ["an edit without an image", openaiSchemas.edit, { ...drawn }],
    ["a key that no edit knows", openaiSchemas.edit, { ...drawn, image: file, moderation: "low" }],
    ["input_fidelity of gpt-image-2", openaiSchemas.edit, { ...drawn, image: file, input_fidelity: "low" }],
    ["a word for a number", openaiSchemas.edit, { ...drawn, image: file, n: "two" }],
    ["a mask beside markup", openaiSchemas.edit, { ...drawn, model: "gpt-image-2.5-flare", image: file, mask: file, markup: file }],
    ["OpenAI's words", togetherSchemas.generate, { ...drawn, response_format: "b64_json" }],
    ["a key that nobody knows there", togetherSchemas.generate, { ...drawn, size: "1024x1024" }],
  ] as const)
    it(`the schema refuses ${what}`, () => {
      expect(wrong(validate, body)).not.to.deep.equal([]);
    });
});
