import { expect } from "chai";
import OpenAI, { toFile } from "openai";
import { loadChannels } from "../../src/channels/load.ts";
import { prefixOf } from "../../src/channels/settings.ts";
import { createTable } from "../../src/gateway/table.ts";
import { loadPlugins, shippedPlugins } from "../../src/plugin/load.ts";
import { solidPng } from "../../src/picture/png.ts";
import { startGateway, type TestGateway } from "../../src/testing/gateway.ts";
import { startProvider } from "../../src/testing/provider.ts";

// A channel that ships, a model of it that draws, and one that edits.
const shipped = [
  ["openai", "gpt-image-1", "gpt-image-1"],
  ["stability", "stable-image-ultra", "stable-image-ultra"],
  ["black-forest-labs", "flux-2-pro", "flux-kontext-max"],
  ["google-gemini", "gemini-3-pro-image", "gemini-3-pro-image"],
  ["xai", "grok-imagine-image", "grok-imagine-image"],
  ["dashscope", "wan2.7-image-pro", "qwen-image-edit"],
  ["volcengine-seedream", "seedream-4.0", "seedream-4.0"],
] as const;

describe("client: openai before channels that ship and mocks of their providers", () => {
  const providers: { close(): Promise<void> }[] = [];
  let gateway: TestGateway;
  let client: OpenAI;
  before(async () => {
    const plugins = await loadPlugins([shippedPlugins]);
    const only = shipped.map(([channel]) => channel);
    const { tests } = await loadChannels({ folder: "channels", plugins, env: {}, only });
    const env: Record<string, string> = {};
    for (const own of tests) {
      const provider = await startProvider(own, 0);
      providers.push(provider);
      env[`${prefixOf(own.channel.name)}_BASE_URL`] = provider.url;
      env[`${prefixOf(own.channel.name)}_API_KEY`] = "sk-anything";
    }
    const table = createTable(await loadChannels({ folder: "channels", plugins, env, only, wait: () => Promise.resolve() }));
    gateway = await startGateway({ table: () => table });
    client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: gateway.key, maxRetries: 0 });
  });
  after(async () => {
    await gateway.close();
    for (const provider of providers) await provider.close();
  });

  for (const [channel, drawing, editing] of shipped) {
    const cat = () => toFile(solidPng(1024, 1024), "cat.png", { type: "image/png" });

    it(`${channel}: an image is edited`, async () => {
      const { data = [] } = await client.images.edit({ model: editing, prompt: "a hat", image: await cat() });
      expect(data[0]!.b64_json ?? data[0]!.url).to.be.a("string");
    });

    it(`${channel}: pictures are drawn and edited in streams`, async () => {
      const drawn = await client.images.generate({ model: drawing, prompt: "a cat", stream: true });
      // A mock's pictures may be more than were asked for.
      const types = new Set<string>();
      for await (const { type } of drawn) types.add(type);
      const edited = await client.images.edit({ model: editing, prompt: "a hat", image: await cat(), stream: true });
      for await (const { type } of edited) types.add(type);
      expect([...types]).to.include.members(["image_generation.completed", "image_edit.completed"]);
    });
  }
});
