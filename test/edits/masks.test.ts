import { isDeepStrictEqual } from "node:util";
import { expect } from "chai";
import sharp from "sharp";
import { loadChannels } from "../../src/channels/load.ts";
import { shipped } from "../../src/channels/proven.ts";
import { createTable, type Table } from "../../src/gateway/table.ts";
import { solidPng } from "../../src/picture/png.ts";
import { startGateway, type TestGateway } from "../../src/testing/gateway.ts";
import { answer, callOf } from "../../src/testing/mock.ts";
import { testEnvironment } from "../../src/testing/run.ts";
import { plugins } from "../helpers/channels.ts";
import { httpProvider, type Provider } from "../helpers/provider.ts";

type Polarity = "alpha" | "white" | "black";

/** The models of the preset gpt-image, in its order. */
const gptImages = [
  "gpt-image-2.6-flare",
  "gpt-image-2.6-sunburst",
  "gpt-image-2.5-flare",
  "gpt-image-2.5-sunburst",
  "gpt-image-2.5-flare-2026-09-08",
  "gpt-image-2.5-sunburst-2026-09-08",
  "gpt-image-2",
  "gpt-image-2-2026-04-21",
];

/** What marks the pixels that may change, as each provider documents it. A model that edits and is not here takes no mask. */
const documented: Record<string, Partial<Record<Polarity, string[]>>> = {
  automatic1111: { white: ["sdxl", "sd-1.5"] },
  "aws-bedrock": { white: ["stability.stable-image-inpaint-v1:0"], black: ["amazon.nova-canvas-v1:0"] },
  "azure-openai": { alpha: [...gptImages, "gpt-image-1", "gpt-image-1-mini", "gpt-image-1.5"] },
  "baidu-qianfan": { white: ["ernie-irag-edit", "qianfan-qwen-image-edit"] },
  "black-forest-labs": { white: ["flux-pro-1.0-fill"] },
  "cloudflare-workers-ai": { white: ["@cf/runwayml/stable-diffusion-v1-5-inpainting"] },
  comfyui: { white: ["sdxl", "sd-1.5"] },
  dashscope: { white: ["wanx2.1-imageedit"] },
  deepinfra: { alpha: ["black-forest-labs/FLUX-2-dev"] },
  demo: { white: ["demo"] },
  fal: { alpha: ["openai/gpt-image-2"] },
  ideogram: { black: ["ideogram-4.5", "ideogram-v3"] },
  jimeng: { white: ["jimeng-inpaint"] },
  localai: { white: ["stablediffusion-inpainting"] },
  openai: { alpha: [...gptImages, "gpt-image-1.5", "gpt-image-1", "gpt-image-1-mini", "dall-e-2"] },
  recraft: { white: ["recraft-v3"] },
  relay: { alpha: ["gpt-image-2-pro", ...gptImages.filter((name) => !/\d{4}-/.test(name))] },
  replicate: { white: ["stability-ai/sdxl"] },
  runware: { white: ["runware-flux-1-dev", "runware-flux-1-fill-dev"] },
  stability: { white: ["stable-image-inpaint"] },
  "stable-diffusion-cpp": { white: ["sdxl"] },
  xinference: { white: ["sdxl", "qwen-image-edit-local"] },
};

// Every transparency there is, once, over colours that would show if they were taken for it.
const given = Array.from({ length: 256 }, (_, alpha) => [(alpha * 37) % 256, 90, 200, alpha]);
const received: Record<Polarity, number[]> = {
  alpha: given.flat(),
  white: given.flatMap(([, , , alpha = 0]) => [255 - alpha, 255 - alpha, 255 - alpha, 255]),
  black: given.flatMap(([, , , alpha = 0]) => [alpha, alpha, alpha, 255]),
};
const image = solidPng(16, 16);

describe("the mask that a provider gets from a channel that ships", () => {
  let bodies: unknown[] = [];
  let provider: Provider;
  let gateway: TestGateway;
  let table: Table;
  let mask: string;
  before(async () => {
    mask = (
      await sharp(Buffer.from(given.flat()), { raw: { width: 16, height: 16, channels: 4 } })
        .png()
        .toBuffer()
    ).toString("base64");
    provider = await httpProvider((request, response) => {
      void callOf(request).then(({ path, body, form }) => {
        bodies.push(form ?? JSON.parse(body.toString()));
        // What is uploaded has a name; the submission need not succeed.
        answer(response, path.startsWith("/upload/") ? { json: { name: "kept.png" } } : { status: 400, json: { error: "enough" } });
      });
    });
    gateway = await startGateway({ table: () => table, publicUrl: "https://pictor.test" });
  });
  after(async () => {
    await gateway.close();
    await provider.close();
  });

  /** The pixels of the pictures in a body beside the image, in whichever form: red, green, blue and alpha of each. */
  async function masksIn(body: unknown): Promise<number[][]> {
    if (typeof body === "object" && body !== null && typeof Object.values(body)[0] !== "number")
      return (await Promise.all(Object.values(body).map(masksIn))).flat();
    const bytes = await bytesOf(body);
    if (bytes.toString("latin1", 1, 4) !== "PNG" || bytes.equals(image)) return [];
    return [[...(await sharp(bytes).toColourspace("srgb").ensureAlpha().raw().toBuffer())]];
  }

  async function bytesOf(value: unknown): Promise<Buffer> {
    if (Array.isArray(value)) return Buffer.from(value as number[]);
    const text = String(value);
    if (!text.startsWith("https://pictor.test/")) return Buffer.from(text.replace(/^data:.*?,/, ""), "base64");
    return Buffer.from(await (await fetch(text.replace("https://pictor.test", gateway.url))).arrayBuffer());
  }

  /** What marks the pixels that may change in the mask that was sent; nothing where the model takes none. */
  async function tried(model: string): Promise<string | undefined> {
    const response = await fetch(`${gateway.url}/v1/images/edits`, {
      method: "POST",
      headers: { authorization: `Bearer ${gateway.key}`, "content-type": "application/json" },
      body: JSON.stringify({ model, prompt: "a hat", image: image.toString("base64"), mask }),
    });
    const text = await response.text();
    const [pixels, ...more] = await masksIn(bodies);
    if (!pixels) return /"param":"mask","code":"unknown_parameter"/.test(text) && bodies.length === 0 ? undefined : `no mask: ${text}`;
    const found = Object.entries(received).find(([, expected]) => isDeepStrictEqual(pixels, expected))?.[0];
    return (more.length === 0 && found) || `other pixels: ${pixels.join(",")}`;
  }

  it("is as its documentation says, pixel for pixel; and a model without one refuses it", async () => {
    const env = await testEnvironment("channels", provider.url);
    const { tests } = await loadChannels({ folder: "channels", plugins, env, proven: shipped() });
    const seen: Record<string, Record<string, string[]>> = {};
    for (const { channel, routes } of tests)
      for (const route of routes.filter(({ operations }) => operations.has("edit"))) {
        table = createTable({ channels: [channel], routes: [route] });
        bodies = [];
        const told = await tried(route.model.id);
        if (told !== undefined) ((seen[channel.name] ??= {})[told] ??= []).push(route.model.id);
      }
    expect(seen).to.deep.equal(documented);
  });
});
