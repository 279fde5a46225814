// The AI SDK's clients of providers and the shipped channels make the same call of the same request.
import { readFile } from "node:fs/promises";
import { createAmazonBedrock } from "@ai-sdk/amazon-bedrock";
import { createAzure } from "@ai-sdk/azure";
import { createBlackForestLabs } from "@ai-sdk/black-forest-labs";
import { createByteDance } from "@ai-sdk/bytedance";
import { createDeepInfra } from "@ai-sdk/deepinfra";
import { createFal } from "@ai-sdk/fal";
import { createFireworks } from "@ai-sdk/fireworks";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createLuma } from "@ai-sdk/luma";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { createReplicate } from "@ai-sdk/replicate";
import { createTogetherAI } from "@ai-sdk/togetherai";
import { createXai } from "@ai-sdk/xai";
import { createRunware } from "@runware/ai-sdk-provider";
import { generateImage, type ImageModel } from "ai";
import { parse } from "yaml";
import { cat, catUri, judge, key, startBoth, type Allowed, type Both } from "./both.ts";

interface Row {
  channel: string;
  what: string;
  /** How many images are edited. */
  images?: number;
  /** The other client's options, and the model's name there. */
  theirs: Partial<Omit<Parameters<typeof generateImage>[0], "model">> & { model: string };
  /** The fields of a client of ours. */
  ours: Record<string, unknown>;
  differs?: Allowed;
}

const rows = parse((await readFile("test/compare/ai-sdk.yaml", "utf8")).replaceAll("CAT", catUri)) as Row[];

const account = (fetch: Both["fetch"]) => ({ apiKey: key, fetch });
const clients: Record<string, (fetch: Both["fetch"]) => { image(model: string): ImageModel }> = {
  openai: (fetch) => createOpenAI(account(fetch)),
  "azure-openai": (fetch) => createAzure({ ...account(fetch), resourceName: "ours" }),
  "google-gemini": (fetch) => createGoogleGenerativeAI(account(fetch)),
  xai: (fetch) => createXai(account(fetch)),
  together: (fetch) => createTogetherAI(account(fetch)),
  replicate: (fetch) => createReplicate({ apiToken: key, fetch }),
  fal: (fetch) => createFal(account(fetch)),
  "black-forest-labs": (fetch) => createBlackForestLabs(account(fetch)),
  "aws-bedrock": (fetch) => createAmazonBedrock({ region: "us-west-2", accessKeyId: key, secretAccessKey: key, fetch }),
  byteplus: (fetch) => createByteDance(account(fetch)),
  "luma-photon": (fetch) => createLuma(account(fetch)),
  fireworks: (fetch) => createFireworks(account(fetch)),
  deepinfra: (fetch) => createDeepInfra(account(fetch)),
  runware: (fetch) => createRunware(account(fetch)),
  relay: (fetch) => {
    const relay = createOpenAICompatible({ name: "relay", baseURL: "https://relay.example/v1", ...account(fetch) });
    return { image: (model) => relay.imageModel(model) };
  },
};

describe("compare: the AI SDK's clients and the shipped channels", () => {
  let both: Both;
  before(async () => {
    both = await startBoth(Object.keys(clients));
  });
  after(() => both.close());

  for (const { channel, what, images, theirs, ours, differs } of rows)
    it(`${channel} ${what}`, async () => {
      const model = clients[channel]!(both.fetch).image(theirs.model);
      const prompt = images ? { text: "a cat", images: Array.from({ length: images }, () => cat) } : "a cat";
      const image = images === 1 ? catUri : Array.from({ length: images ?? 0 }, () => catUri);
      judge(
        await both.theirs(() => generateImage({ ...theirs, model, prompt, maxRetries: 0 })),
        await both.ours(channel, { ...ours, ...(images && { image }) }),
        differs,
      );
    });
});
