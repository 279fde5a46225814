import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createOpenAI } from "@ai-sdk/openai";
import { generateImage } from "ai";
import { expect } from "chai";
import { BadRequestError, toFile, type OpenAI } from "openai";
import sharp from "sharp";
import { pixelsOf, startShipped } from "./setup.ts";

/** A picture of one colour. */
function plain(width: number, height: number, background: string): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background } })
    .png()
    .toBuffer();
}

/** A mask whose left half may change. */
async function leftHalf(width: number, height: number): Promise<Buffer> {
  const alpha = Buffer.from(Array.from({ length: width * height }, (_, at) => (at % width < width / 2 ? 0 : 255)));
  return sharp(await plain(width, height, "black"))
    .joinChannel(alpha, { raw: { width, height, channels: 1 } })
    .png()
    .toBuffer();
}

/** The colour of a pixel. */
async function colourAt(picture: Buffer, left: number, top: number): Promise<number[]> {
  return [...(await sharp(picture).extract({ left, top, width: 1, height: 1 }).removeAlpha().raw().toBuffer())];
}

describe("client: edits by each", () => {
  let house: Awaited<ReturnType<typeof startShipped>>;
  let client: OpenAI;
  before(async () => {
    house = await startShipped();
    client = house.openai;
  });
  after(() => house.close());

  const png = (bytes: Buffer, name = "cat.png") => toFile(bytes, name, { type: "image/png" });

  it("openai: one image", async () => {
    const { data = [] } = await client.images.edit({
      model: "demo",
      prompt: "a hat",
      image: await png(await plain(64, 64, "red")),
      size: "256x256",
    });
    expect(pixelsOf(Buffer.from(data[0]!.b64_json!, "base64"))).to.equal("256x256");
  });

  it("openai: a mask, inside which it changes, and outside of which it does not", async () => {
    const { data = [] } = await client.images.edit({
      model: "demo",
      prompt: "a hat",
      image: await png(await plain(128, 128, "#00ff00")),
      mask: await png(await leftHalf(128, 128), "mask.png"),
      size: "256x256",
    });
    const made = Buffer.from(data[0]!.b64_json!, "base64");
    expect(await colourAt(made, 250, 20)).to.deep.equal([0, 255, 0]);
    expect(await colourAt(made, 5, 5)).not.to.deep.equal([0, 255, 0]);
  });

  it("openai: several images, several pictures", async () => {
    const image = await Promise.all(["red", "green", "blue"].map(async (colour) => png(await plain(32, 32, colour), `${colour}.png`)));
    const { data = [] } = await client.images.edit({ model: "demo", prompt: "all of them", image, n: 2, size: "256x256" });
    expect(data.map(({ b64_json }) => pixelsOf(Buffer.from(b64_json!, "base64")))).to.deep.equal(["256x256", "256x256"]);
  });

  it("openai: the files' order and names reach the provider", async () => {
    const files = [await plain(8, 8, "red"), await plain(16, 8, "blue")];
    house.mock.play([
      {
        expect: {
          post: "/images/edits",
          multipart: {
            model: "gpt-image-1",
            prompt: "both",
            "image[]": files.map((file, index) => ({ name: `${index} ü.png`, type: "image/png", base64: file.toString("base64") })),
            n: "1",
            quality: "auto",
          },
        },
        reply: { json: { created: 1, data: [{ b64_json: files[0]!.toString("base64") }] } },
      },
    ]);
    const image = await Promise.all(files.map((file, index) => png(file, `${index} ü.png`)));
    const { data = [] } = await client.images.edit({ model: "gpt-image-1", prompt: "both", image });
    expect(house.mock.complaints()).to.deep.equal([]);
    expect(data).to.have.length(1);
  });

  it("openai: a stream", async () => {
    const events = await client.images.edit({
      model: "demo",
      prompt: "a hat",
      image: await png(await plain(64, 64, "red")),
      size: "256x256",
      stream: true,
    });
    const seen: string[] = [];
    for await (const event of events) seen.push(`${event.type} ${pixelsOf(Buffer.from(event.b64_json, "base64"))}`);
    expect(seen).to.deep.equal(["image_edit.completed 256x256"]);
  });

  it("openai: a stream of a provider that streams edits", async () => {
    const b64 = (await plain(8, 8, "red")).toString("base64");
    house.mock.play([
      {
        expect: {
          post: "/images/edits",
          multipart: {
            model: "gpt-image-1",
            prompt: "x",
            image: { name: "cat.png", type: "image/png", base64: b64 },
            n: "1",
            quality: "auto",
            stream: "true",
            partial_images: "1",
          },
        },
        reply: {
          sse: [
            { data: { type: "image_edit.partial_image", b64_json: b64, partial_image_index: 0 } },
            { data: { type: "image_edit.completed", b64_json: b64, usage: { total_tokens: 3 } } },
          ],
        },
      },
    ]);
    const image = await png(Buffer.from(b64, "base64"));
    const events = await client.images.edit({ model: "gpt-image-1", prompt: "x", image, stream: true, partial_images: 1 });
    const seen: string[] = [];
    for await (const event of events) seen.push(event.type);
    expect(house.mock.complaints()).to.deep.equal([]);
    expect(seen).to.deep.equal(["image_edit.partial_image", "image_edit.completed"]);
  });

  it("openai: what is wrong with an image is told", async () => {
    const broken = client.images.edit({ model: "demo", prompt: "x", image: await toFile(Buffer.from("<svg/>"), "a.svg") });
    const error = await broken.then(
      () => expect.fail("it did not fail"),
      (reason: unknown) => reason as BadRequestError,
    );
    expect(error).to.be.instanceOf(BadRequestError);
    expect([error.code, error.param]).to.deep.equal(["invalid_image_file", "image"]);
  });

  it("ai: an image beside the prompt", async () => {
    const provider = createOpenAI({ baseURL: `${house.url}/v1`, apiKey: house.key });
    const { image } = await generateImage({
      model: provider.image("demo"),
      prompt: { text: "a hat", images: [await plain(64, 64, "red")] },
      size: "256x256",
      maxRetries: 0,
    });
    expect(pixelsOf(image.uint8Array)).to.equal("256x256");
  });

  it("curl -F", async () => {
    const folder = await mkdtemp(join(tmpdir(), "pictor-curl-"));
    try {
      await writeFile(join(folder, "a.png"), await plain(64, 64, "red"));
      const form = [
        "model=demo",
        "prompt=a hat",
        "n=1",
        "size=256x256",
        "watermark=false",
        `image[]=@${folder}/a.png`,
        `image[]=@${folder}/a.png`,
      ];
      const args = ["-sS", "-o", join(folder, "answer.json"), "-H", `authorization: Bearer ${house.key}`];
      await promisify(execFile)("curl", [...args, ...form.flatMap((part) => ["-F", part]), `${house.url}/v1/edits`]);
      const { data } = JSON.parse(await readFile(join(folder, "answer.json"), "utf8")) as { data: { b64_json: string }[] };
      expect(pixelsOf(Buffer.from(data[0]!.b64_json, "base64"))).to.equal("256x256");
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
