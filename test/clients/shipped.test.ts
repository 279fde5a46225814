import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateImage } from "ai";
import { expect } from "chai";
import { BadRequestError, toFile, type OpenAI } from "openai";
import sharp from "sharp";
import { loadChannels } from "../../src/channels/load.ts";
import { prefixOf } from "../../src/channels/settings.ts";
import { createTable } from "../../src/gateway/table.ts";
import { loadPlugins, shippedPlugins } from "../../src/plugin/load.ts";
import { solidPng } from "../../src/picture/png.ts";
import { sniff } from "../../src/picture/sniff.ts";
import { startGateway, type TestGateway } from "../../src/testing/gateway.ts";
import { startProvider } from "../../src/testing/provider.ts";
import { openaiAt } from "./setup.ts";

interface Shipped {
  channel: string;
  draws: string;
  edits: string;
  /** How many images `edits` takes. */
  most: number;
  /** A model that takes a mask; where the channel has none, `edits` must say so. */
  masked?: string;
  /** Whether the provider shows unfinished pictures. */
  sketches?: true;
}

const shipped: Shipped[] = [
  { channel: "openai", draws: "gpt-image-1", edits: "gpt-image-1", most: 16, masked: "gpt-image-1", sketches: true },
  { channel: "stability", draws: "stable-image-ultra", edits: "stable-image-ultra", most: 1, masked: "stable-image-inpaint" },
  { channel: "black-forest-labs", draws: "flux-2-pro", edits: "flux-kontext-max", most: 4, masked: "flux-pro-1.0-fill" },
  { channel: "google-gemini", draws: "gemini-3-pro-image", edits: "gemini-3-pro-image", most: 14 },
  { channel: "xai", draws: "grok-imagine-image", edits: "grok-imagine-image", most: 3 },
  { channel: "dashscope", draws: "wan2.7-image-pro", edits: "qwen-image-edit", most: 1, masked: "wanx2.1-imageedit" },
  { channel: "volcengine-seedream", draws: "seedream-4.0", edits: "seedream-4.0", most: 14 },
  { channel: "relay", draws: "gpt-image-2-pro", edits: "gpt-image-2-pro", most: 16, masked: "gpt-image-2-pro", sketches: true },
];

const cat = solidPng(1024, 1024);

/** What a client gets is a picture, whole enough to have a size. */
function judgePicture(bytes: Uint8Array): void {
  expect(sniff(Buffer.from(bytes))).to.have.all.keys("mediaType", "width", "height");
}

describe("client: each before channels that ship and mocks of their providers", () => {
  const providers: { close(): Promise<void> }[] = [];
  let gateway: TestGateway;
  let openai: OpenAI;
  let folder: string;
  before(async () => {
    const plugins = await loadPlugins([shippedPlugins]);
    const only = shipped.map(({ channel }) => channel);
    const { tests } = await loadChannels({ folder: "channels", plugins, env: {}, only, withTests: true });
    const env: Record<string, string> = {};
    for (const own of tests) {
      const provider = await startProvider(own, 0);
      providers.push(provider);
      env[`${prefixOf(own.channel.name)}_BASE_URL`] = provider.url;
      env[`${prefixOf(own.channel.name)}_API_KEY`] = "sk-anything";
    }
    const table = createTable(await loadChannels({ folder: "channels", plugins, env, only, wait: () => Promise.resolve() }));
    gateway = await startGateway({ table: () => table });
    openai = openaiAt(gateway);
    folder = await mkdtemp(join(tmpdir(), "pictor-curl-"));
    await writeFile(join(folder, "cat.png"), cat);
    const clear = { create: { width: 1024, height: 1024, channels: 4 as const, background: "#00000000" } };
    await sharp(clear).png().toFile(join(folder, "mask.png"));
  });
  after(async () => {
    await gateway.close();
    for (const provider of providers) await provider.close();
    await rm(folder, { recursive: true });
  });

  const file = (name = "cat.png") => toFile(cat, name, { type: "image/png" });
  const bytesAt = async (url = "") => new Uint8Array(await (await fetch(url)).arrayBuffer());
  const judgeBase64 = (b64: string | undefined) => judgePicture(Buffer.from(b64 ?? "", "base64"));
  const refused = async (call: Promise<unknown>, param: string, message: RegExp) => {
    const error = await call.then(
      () => expect.fail("it did not fail"),
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(BadRequestError);
    expect(error).to.include({ status: 400, param });
    expect((error as Error).message).to.match(message);
  };
  /** The model's answer to `curl -F`, its status last. */
  const curl = async (model: string, ...form: string[]) => {
    const head = ["-sS", "-w", "\n%{http_code}", "-H", `authorization: Bearer ${gateway.key}`];
    const parts = [`model=${model}`, "prompt=a hat", ...form].flatMap((part) => ["-F", part]);
    const { stdout } = await promisify(execFile)("curl", [...head, ...parts, `${gateway.url}/v1/images/edits`], { maxBuffer: 1e8 });
    const [text = "", status] = stdout.split(/\n(?=\d+$)/);
    return { status, ...(JSON.parse(text) as { data?: { b64_json?: string }[]; error?: { param: string } }) };
  };

  for (const { channel, draws, edits, most, masked, sketches } of shipped) {
    it(`${channel}: openai edits one image`, async () => {
      const one = { model: edits, prompt: "a hat", image: await file() };
      const { data = [] } = await openai.images.edit(one);
      judgeBase64(data[0]?.b64_json);
      const { data: linked = [] } = await openai.images.edit({ ...one, response_format: "url" });
      judgePicture(await bytesAt(linked[0]?.url));
    });

    it(`${channel}: openai edits ${most > 1 ? "several images" : "no more than one"}`, async () => {
      const edit = (image: File[]) => openai.images.edit({ model: edits, prompt: "a hat", image });
      const images = await Promise.all(Array.from({ length: most + 1 }, (_, index) => file(`${index}.png`)));
      await refused(edit(images), "image", new RegExp(`takes at most ${most}$`));
      const { data = [] } = await edit(images.slice(0, most));
      judgeBase64(data[0]?.b64_json);
    });

    it(`${channel}: openai edits ${masked ? "where a mask says" : "without a mask"}`, async () => {
      const mask = await toFile(readFile(join(folder, "mask.png")), "mask.png", { type: "image/png" });
      const call = openai.images.edit({ model: masked ?? edits, prompt: "a hat", image: await file(), mask });
      if (!masked) return refused(call, "mask", /mask is not taken/);
      judgeBase64((await call).data?.[0]?.b64_json);
    });

    it(`${channel}: openai draws and edits in streams`, async () => {
      const drawn = await openai.images.generate({ model: draws, prompt: "a boat", stream: true, partial_images: 1 });
      const edited = await openai.images.edit({ model: edits, prompt: "a hat", image: await file(), stream: true, partial_images: 1 });
      // A mock's pictures may be more than were asked for.
      const types = new Set<string>();
      for (const events of [drawn, edited])
        for await (const { type, b64_json } of events) {
          types.add(type);
          judgeBase64(b64_json);
        }
      const ends = ["completed", ...(sketches ? ["partial_image"] : [])];
      expect([...types]).to.have.members(ends.flatMap((end) => [`image_generation.${end}`, `image_edit.${end}`]));
    });

    it(`${channel}: ai draws and edits`, async () => {
      const account = { baseURL: `${gateway.url}/v1`, apiKey: gateway.key };
      const [own, other] = [createOpenAI(account), createOpenAICompatible({ name: "pictor", ...account })];
      // Of a model whose name begins with gpt-image `own` reads base64 alone and cannot ask for it, and the relay gives URLs.
      const drawn = await generateImage({
        model: channel === "relay" ? other.imageModel(draws) : own.image(draws),
        prompt: "a boat",
        maxRetries: 0,
      });
      judgePicture(drawn.image.uint8Array);
      const mask = await readFile(join(folder, "mask.png"));
      const several = Array.from({ length: Math.min(most, 2) }, () => cat);
      for (const model of [(id: string) => own.image(id), (id: string) => other.imageModel(id)]) {
        const edit = async (id: string, prompt: { images: Buffer[]; mask?: Buffer }) => {
          const { image } = await generateImage({ model: model(id), prompt: { text: "a hat", ...prompt }, maxRetries: 0 });
          judgePicture(image.uint8Array);
        };
        await edit(edits, { images: several });
        if (masked) await edit(masked, { images: [cat], mask });
      }
    });

    it(`${channel}: curl sends a form`, async () => {
      const { status, data } = await curl(edits, "n=1", "watermark=false", `image[]=@${folder}/cat.png`);
      expect(status).to.equal("200");
      judgeBase64(data?.[0]?.b64_json);
      const wrong = await curl(edits, "n=one", `image[]=@${folder}/cat.png`);
      expect([wrong.status, wrong.error?.param]).to.deep.equal(["400", "n"]);
    });
  }
});
