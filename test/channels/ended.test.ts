// No model that ships is on, at its provider's own address, once its provider has shut it down.
import { expect } from "chai";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { loadChannels } from "../../src/channels/load.ts";
import { shipped } from "../../src/channels/proven.ts";
import { createTable } from "../../src/gateway/table.ts";
import { livingModels } from "../../src/gateway/life.ts";
import { plugins } from "../helpers/channels.ts";

/** What a source calls dead: the channel, the models, and the last day on which a request could be served, or a day after it. */
const ended: [channel: string, models: string[], day: string][] = [
  ["openai", ["dall-e-2", "dall-e-3"], "2026-05-12"],
  ["openai", ["gpt-image-1"], "2026-10-23"],
  ["openai", ["gpt-image-1.5", "gpt-image-1-mini", "chatgpt-image-latest"], "2026-12-01"],
  ["azure-openai", ["dall-e-3"], "2026-08-18"],
  ["azure-openai", ["gpt-image-1"], "2026-10-23"],
  ["azure-openai", ["gpt-image-1.5"], "2026-12-16"],
  ["azure-foundry", ["mai-image-2.5", "mai-image-2.5-pro", "mai-image-2.5-flash"], "2026-10-01"],
  ["google-gemini", ["gemini-3.1-flash-image"], "2026-10-29"],
  ["xai", ["grok-imagine-image-quality"], "2026-11-02"],
  ["aws-bedrock", ["amazon.nova-canvas-v1:0"], "2026-09-30"],
  ["huggingface", ["huggingface/stable-diffusion-xl"], "2026-08-01"],
  ["cloudflare-workers-ai", ["@cf/runwayml/stable-diffusion-v1-5-img2img"], "2026-10-15"],
  ["volcengine-seedream", ["seedream-4.0", "seedream-4.5", "seedream-5.0-lite"], "2026-11-25"],
];

describe("the models that ship", () => {
  let on: (channel: string, day: string) => string[];
  before(async () => {
    const files = (await readdir("channels")).filter((name) => name.endsWith(".yaml"));
    const texts = await Promise.all(files.map((name) => readFile(join("channels", name), "utf8")));
    const names = texts.flatMap((text) => [...text.matchAll(/\benv\.(\w+)/g)].map(([, name = ""]) => name));
    const env = Object.fromEntries(names.map((name) => [name, name.endsWith("_URL") ? "http://127.0.0.1:9" : "key"]));
    const table = createTable(await loadChannels({ folder: "channels", plugins, env, proven: shipped() }));
    on = (channel, day) =>
      livingModels(table, Date.parse(day))
        .filter(({ routes }) => routes.some((route) => route.channel.name === channel))
        .map(({ id }) => id);
  });

  for (const [channel, models, day] of ended)
    it(`are off at ${channel} from ${day} on: ${models.join(", ")}`, () => {
      const living = on(channel, day);
      expect(living, "the channel has no model left").not.to.have.length(0);
      for (const model of models) expect(living).not.to.include(model);
    });
});
