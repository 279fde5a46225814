// OpenAI's SDK and the shipped channels of those who tell their customers to use it make the same call of the same request.
import OpenAI, { AzureOpenAI, toFile } from "openai";
import sharp from "sharp";
import { cat, catUri, key, type Allowed, type Both } from "./both.ts";
import { compareAll, type SdkRow } from "./sdk-rows.ts";

const prompt = "a cat";
const mask = await sharp({ create: { width: 256, height: 256, channels: 4, background: "#00000000" } })
  .png()
  .toBuffer();
const file = (bytes: Uint8Array = cat) => toFile(bytes, "cat.png", { type: "image/png" });

const openai = (fetch: Both["fetch"]) => new OpenAI({ apiKey: key, fetch, maxRetries: 0 }).images;
const azure = (fetch: Both["fetch"]) =>
  new AzureOpenAI({
    endpoint: "https://ours.openai.azure.com",
    deployment: "gpt-image-2",
    apiVersion: "2025-04-01-preview",
    apiKey: key,
    fetch,
    maxRetries: 0,
  });
const byDeployment = (operation: string): Allowed => ({
  address: {
    theirs: `POST ours.openai.azure.com/openai/deployments/gpt-image-2/images/${operation}?api-version=2025-04-01-preview`,
    ours: `POST ours.openai.azure.com/openai/v1/images/${operation}?api-version=v1`,
    why: "the client knows the API by deployments alone; the channel's comment tells how to call it",
  },
});

const rows: SdkRow[] = [
  {
    channel: "openai",
    what: "draws",
    theirs: (fetch) =>
      openai(fetch).generate({
        model: "gpt-image-2",
        prompt,
        n: 2,
        size: "1536x1024",
        quality: "medium",
        background: "auto",
        moderation: "low",
        output_format: "webp",
        output_compression: 70,
        user: "u1",
      }),
    ours: {
      model: "gpt-image-2",
      n: 2,
      size: "1536x1024",
      quality: "medium",
      background: "auto",
      moderation: "low",
      output_format: "webp",
      output_compression: 70,
      user: "u1",
    },
  },
  {
    channel: "openai",
    what: "draws in a stream",
    theirs: (fetch) => openai(fetch).generate({ model: "gpt-image-1.5", prompt, n: 1, stream: true, partial_images: 2 }),
    ours: { model: "gpt-image-1.5", stream: true, partial_images: 2 },
    differs: { "body.quality": { ours: "auto", why: "the provider's default, which the schema says" } },
  },
  {
    channel: "openai",
    what: "draws with dall-e-3",
    theirs: (fetch) =>
      openai(fetch).generate({
        model: "dall-e-3",
        prompt,
        n: 1,
        size: "1792x1024",
        quality: "hd",
        style: "natural",
        response_format: "b64_json",
      }),
    ours: { model: "dall-e-3", size: "1792x1024", quality: "hd", style: "natural", response_format: "b64_json" },
  },
  {
    channel: "openai",
    what: "edits several images where a mask says",
    theirs: async (fetch) =>
      openai(fetch).edit({
        model: "gpt-image-1.5",
        prompt,
        image: [await file(), await file()],
        mask: await file(mask),
        n: 1,
        input_fidelity: "high",
        quality: "low",
      }),
    ours: {
      model: "gpt-image-1.5",
      image: [catUri, catUri],
      mask: `data:image/png;base64,${mask.toString("base64")}`,
      input_fidelity: "high",
      quality: "low",
    },
  },
  {
    channel: "openai",
    what: "edits in a stream",
    theirs: async (fetch) =>
      openai(fetch).edit({ model: "gpt-image-2", prompt, image: await file(), n: 1, stream: true, partial_images: 1 }),
    ours: { model: "gpt-image-2", image: catUri, stream: true, partial_images: 1 },
  },
  {
    channel: "azure-openai",
    what: "draws",
    theirs: (fetch) => azure(fetch).images.generate({ model: "gpt-image-2", prompt, n: 1, size: "1024x1024", quality: "low" }),
    ours: { model: "gpt-image-2", size: "1024x1024", quality: "low" },
    differs: byDeployment("generations"),
  },
  {
    channel: "azure-openai",
    what: "edits",
    theirs: async (fetch) => azure(fetch).images.edit({ model: "gpt-image-2", prompt, image: await file(), n: 1 }),
    ours: { model: "gpt-image-2", image: catUri },
    differs: byDeployment("edits"),
  },
  {
    channel: "recraft",
    what: "draws, as its own examples do with this SDK",
    theirs: (fetch) =>
      new OpenAI({ baseURL: "https://external.api.recraft.ai/v1", apiKey: key, fetch, maxRetries: 0 }).images.generate({
        model: "recraftv3",
        prompt,
        n: 2,
        size: "1024x1024",
        response_format: "b64_json",
        ...{ style: "digital_illustration", substyle: "grain", negative_prompt: "dogs" },
      } as never),
    ours: {
      model: "recraft-v3",
      n: 2,
      size: "1024x1024",
      style: "digital_illustration",
      substyle: "grain",
      negative_prompt: "dogs",
      response_format: "b64_json",
    },
  },
];

compareAll("OpenAI's SDK", rows);
