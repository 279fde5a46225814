// Providers' own SDKs and the shipped channels make the same call of the same request.
import { textToImage, imageToImage } from "@huggingface/inference";
import { HTTPClient as LeonardoHttp, Leonardo } from "@leonardo-ai/sdk";
import { HTTPClient as OpenRouterHttp, OpenRouter } from "@openrouter/sdk";
import { cat, catUri, key, type Both } from "./both.ts";
import { compareAll, type SdkRow } from "./sdk-rows.ts";

const prompt = "a cat";
const openrouter = (fetch: Both["fetch"]) =>
  new OpenRouter({ apiKey: key, httpClient: new OpenRouterHttp({ fetcher: fetch }), retryConfig: { strategy: "none" } }).images;
const leonardo = (fetch: Both["fetch"]) =>
  new Leonardo({ bearerAuth: key, httpClient: new LeonardoHttp({ fetcher: fetch }), retryConfig: { strategy: "none" } });
/** The client asks the hub first which name the model has at the provider. */
const huggingface = (fetch: Both["fetch"], provider: string, providerId: string, task = "text-to-image") => ({
  retry_on_error: false,
  fetch: ((input: string | URL | Request, init?: RequestInit) =>
    input instanceof Request || !String(input).startsWith("https://huggingface.co/api/models/")
      ? fetch(input, init)
      : Promise.resolve(Response.json({ inferenceProviderMapping: { [provider]: { providerId, status: "live", task } } }))) as typeof fetch,
});

const rows: SdkRow[] = [
  {
    channel: "openrouter",
    what: "draws",
    theirs: (fetch) =>
      openrouter(fetch).generate({
        imageGenerationRequest: {
          model: "google/gemini-3.1-flash-image",
          prompt,
          n: 1,
          aspectRatio: "16:9",
          resolution: "2K",
          seed: 7,
          user: "u1",
        },
      }),
    ours: { model: "google/gemini-3.1-flash-image", size: "16:9(2K)", seed: 7, user: "u1" },
  },
  {
    channel: "openrouter",
    what: "edits several images in a stream",
    theirs: (fetch) =>
      openrouter(fetch).generate({
        imageGenerationRequest: {
          model: "black-forest-labs/flux.2-pro",
          prompt,
          n: 1,
          size: "1024x768",
          outputFormat: "jpeg",
          inputReferences: [
            { type: "image_url", imageUrl: { url: catUri } },
            { type: "image_url", imageUrl: { url: catUri } },
          ],
          stream: true,
        },
      }),
    ours: { model: "black-forest-labs/flux.2-pro", size: "1024x768", output_format: "jpeg", image: [catUri, catUri], stream: true },
  },
  {
    channel: "leonardo",
    what: "draws",
    theirs: (fetch) =>
      leonardo(fetch).image.createGeneration({
        modelId: "de7d3faf-762f-48e0-b3b7-9d0ac3a3fcf3",
        prompt,
        negativePrompt: "dogs",
        width: 1024,
        height: 768,
        numImages: 2,
        seed: 7,
        contrast: 3.5,
        public: false,
      }),
    ours: { model: "leonardo-phoenix", size: "1024x768", n: 2, seed: 7, negative_prompt: "dogs", contrast: 3.5 },
    differs: {
      "body.alchemy": { theirs: true, why: "a default that the client writes out; it is the provider's as well" },
      "body.presetStyle": { theirs: "DYNAMIC", why: "a default that the client writes out; it is the provider's as well" },
    },
  },
  {
    channel: "leonardo",
    what: "asks for a place for an image",
    theirs: (fetch) => leonardo(fetch).initImages.uploadInitImage({ extension: "png" }),
    ours: { model: "leonardo-phoenix", size: "1024x768", contrast: 3.5, image: catUri },
  },
  {
    channel: "huggingface",
    what: "draws with its own inference",
    theirs: (fetch) =>
      textToImage(
        {
          provider: "hf-inference",
          accessToken: key,
          model: "stabilityai/stable-diffusion-xl-base-1.0",
          inputs: prompt,
          parameters: { width: 1024, height: 768, seed: 7, guidance_scale: 7, num_inference_steps: 30, negative_prompt: "dogs" },
        },
        huggingface(fetch, "hf-inference", "stabilityai/stable-diffusion-xl-base-1.0"),
      ),
    ours: {
      model: "huggingface/stable-diffusion-xl",
      size: "1024x768",
      seed: 7,
      guidance_scale: 7,
      num_inference_steps: 30,
      negative_prompt: "dogs",
    },
  },
  {
    channel: "huggingface",
    what: "edits with its own inference",
    theirs: (fetch) =>
      imageToImage(
        {
          provider: "hf-inference",
          accessToken: key,
          model: "ours/editing", // it keeps one task for each name that it has asked the hub for
          inputs: new Blob([cat]),
          parameters: { prompt, guidance_scale: 7, num_inference_steps: 30, negative_prompt: "dogs" },
        },
        huggingface(fetch, "hf-inference", "stabilityai/stable-diffusion-xl-base-1.0", "image-to-image"),
      ),
    ours: {
      model: "huggingface/stable-diffusion-xl",
      image: catUri,
      guidance_scale: 7,
      num_inference_steps: 30,
      negative_prompt: "dogs",
    },
  },
  {
    channel: "huggingface",
    what: "draws with nscale",
    theirs: (fetch) =>
      textToImage(
        { provider: "nscale", accessToken: key, model: "black-forest-labs/FLUX.1-schnell", inputs: prompt },
        huggingface(fetch, "nscale", "black-forest-labs/FLUX.1-schnell"),
      ),
    ours: { model: "huggingface/flux-1-schnell" },
  },
  {
    channel: "huggingface",
    what: "draws with fal",
    theirs: (fetch) =>
      textToImage(
        {
          provider: "fal-ai",
          accessToken: key,
          model: "black-forest-labs/FLUX.1-dev",
          inputs: prompt,
          parameters: { width: 1024, height: 768, seed: 7, guidance_scale: 3.5, num_inference_steps: 28 },
        },
        huggingface(fetch, "fal-ai", "fal-ai/flux/dev"),
      ),
    ours: { model: "huggingface/flux-1-dev", size: "1024x768", seed: 7, guidance_scale: 3.5, num_inference_steps: 28 },
    differs: {
      "body.num_images": { ours: 1, why: "the client leaves it out" },
      "body.width": { theirs: 1024, why: "the client keeps Hugging Face's name, which fal's endpoint does not have" },
      "body.height": { theirs: 768, why: "the client keeps Hugging Face's name, which fal's endpoint does not have" },
      "body.image_size": { ours: { width: 1024, height: 768 }, why: "the endpoint's own field (fal.ai, fal-ai/flux/dev, API)" },
    },
  },
];

compareAll("the providers' own SDKs", rows);
