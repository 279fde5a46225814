// What programs that fill their menus from /v1/models leave of our list.
import { readFile } from "node:fs/promises";
import { expect } from "chai";
import { gatewayWith } from "../helpers/channels.ts";
import type { TestGateway } from "../../src/testing/gateway.ts";

interface Listed {
  id: string;
  owned_by: string;
  type?: string;
  architecture?: { output_modalities?: string[] };
}

interface Menu {
  program: string;
  /** What it keeps of a list, as its code of that day has it. */
  keeps: (model: Listed) => boolean;
  left: "all" | "none" | string[];
}

const gptImages = ["gpt-image-2", "gpt-image-2-2026-04-21", "openai/gpt-image-2.5-flare"];
const chats = ["vision", "instruct", "audio", "realtime", "image", "moderation", "transcribe"];
const notShown = ["babbage", "dall-e", "davinci", "embedding", "tts", "whisper"];

// AnythingLLM at 72aabbd (2026-08-21): server/utils/helpers/customModels.js. Open WebUI at 004a45f (2026): backend/open_webui/routers/openai.py; its
// image settings (routers/images.py at 02530d5) ask for no list, and take any name.
const menus: Menu[] = [
  { program: "AnythingLLM's images by OpenAI", keeps: ({ id }) => /dall-e|gpt-image/i.test(id), left: gptImages },
  {
    program: "AnythingLLM's images by OpenRouter, as many programs do",
    keeps: ({ architecture }) => architecture?.output_modalities?.includes("image") === true,
    left: "all",
  },
  {
    program: "AnythingLLM's chats by OpenAI",
    keeps: ({ id }) => (id.includes("gpt") || id.startsWith("o")) && !chats.some((word) => id.includes(word)),
    left: "none",
  },
  {
    program: "AnythingLLM's own chats by OpenAI, which are of another owner",
    keeps: (model) => !model.owned_by.includes("openai") && model.owned_by !== "system",
    left: ["flux-2-pro", "recraft-v4.1", "openai/gpt-image-2.5-flare"],
  },
  { program: "Open WebUI's chats at any other address than OpenAI's", keeps: ({ id }) => id !== "", left: "all" },
  { program: "Open WebUI's chats at OpenAI's address", keeps: ({ id }) => !notShown.some((word) => id.includes(word)), left: "all" },
  { program: "a program that asks the type", keeps: ({ type }) => type === "image", left: "all" },
  {
    program: "a program that takes models of images for none to chat with",
    keeps: ({ architecture }) => architecture?.output_modalities?.includes("text") === true,
    left: "none",
  },
];

describe("http: the list of models in the menu of", () => {
  let gateway: TestGateway;
  let listed: Listed[];
  before(async () => {
    const shipped = ["openai", "openrouter", "black-forest-labs", "recraft"];
    const files = await Promise.all(
      shipped.map(async (name) => [`${name}.yaml`, await readFile(`channels/${name}.yaml`, "utf8")] as const),
    );
    const env = { OPENAI_API_KEY: "k", OPENROUTER_API_KEY: "k", BFL_API_KEY: "k", RECRAFT_API_KEY: "k" };
    gateway = await gatewayWith(Object.fromEntries(files), env);
    const response = await fetch(`${gateway.url}/v1/models`, { headers: { authorization: `Bearer ${gateway.key}` } });
    ({ data: listed } = (await response.json()) as { data: Listed[] });
  });
  after(() => gateway.close());

  for (const { program, keeps, left } of menus)
    it(`${program} keeps ${typeof left === "string" ? left : left.join(", ")}`, () => {
      const kept = listed.filter(keeps).map(({ id }) => id);
      if (left === "all") expect(kept).to.have.length(listed.length);
      else if (left === "none") expect(kept).to.deep.equal([]);
      else {
        expect(kept).to.include.members(left);
        expect(kept.length).to.be.below(listed.length);
      }
    });
});
