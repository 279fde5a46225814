// Input images of types that a provider does not take.
import { expect } from "chai";
import sharp, { type Sharp } from "sharp";
import { gatewayWith } from "../helpers/channels.ts";
import { httpProvider } from "../helpers/provider.ts";
import { png } from "./form-house.ts";

const channel = `
description: Takes pictures of two types, or of more.
base_url: \${env.BASE}
models:
  demo: { plugins: [{ image-inputs: { as: data_uri, types: [png, jpeg] } }] }
  open: { plugins: [{ image-inputs: { as: data_uri, types: [png, gif, webp] } }] }
  any: { plugins: [{ image-inputs: { as: data_uri } }] }
  jpegs: { plugins: [{ image-inputs: { as: data_uri, types: [jpeg] } }] }
edit:
  request:
    post: /draw
    json:
      prompt: "\${request.prompt}"
      images: "\${request.images}"
      mask: "\${request.mask}"
      names: "\${request.images.map(i, i.name)}"
  result: { images: "\${body.data}", base64: "\${image.b64_json}" }
`;

const schema = (name: string) =>
  JSON.stringify({
    $id: `${name}.json`,
    type: "object",
    "x-operations": ["edit"],
    allOf: [{ $ref: "common.json" }],
    required: ["model", "prompt"],
  });

const red = (channels: 3 | 4 = 3) => sharp({ create: { width: 24, height: 16, channels, background: { r: 255, g: 0, b: 0, alpha: 0.5 } } });

/** Three frames of 8x8: red, green and blue. */
function animated(): Sharp {
  const frames = Buffer.concat([0, 1, 2].map((hue) => Buffer.alloc(8 * 8 * 3).map((_, at) => (at % 3 === hue ? 255 : 0))));
  return sharp(frames, { raw: { width: 8, height: 24, channels: 3, pageHeight: 8 } });
}

describe("http: input images of other types than the provider takes", () => {
  let sent: { images: string[]; mask?: string; names: string[] }[] = [];
  let provider: Awaited<ReturnType<typeof httpProvider>>;
  let gateway: Awaited<ReturnType<typeof gatewayWith>>;
  before(async () => {
    provider = await httpProvider((request, response) => {
      const chunks: Buffer[] = [];
      request
        .on("data", (chunk: Buffer) => chunks.push(chunk))
        .on("end", () => {
          sent.push(JSON.parse(Buffer.concat(chunks).toString()) as (typeof sent)[0]);
          response.setHeader("content-type", "application/json");
          response.end(JSON.stringify({ data: [{ b64_json: png.toString("base64") }] }));
        });
    });
    const models = Object.fromEntries(["open", "any", "jpegs"].map((name) => [`models/${name}.json`, schema(name)]));
    gateway = await gatewayWith({ "typed.yaml": channel, ...models }, { BASE: provider.url });
  });
  beforeEach(() => void (sent = []));
  after(async () => {
    await gateway.close();
    await provider.close();
  });

  async function edit(image: Buffer, { model = "demo", json = false, mask }: { model?: string; json?: boolean; mask?: Buffer } = {}) {
    const form = new FormData();
    for (const [name, value] of Object.entries({ model, prompt: "a hat" })) form.append(name, value);
    form.append("image", new Blob([new Uint8Array(image)]), "cat.file");
    if (mask) form.append("mask", new Blob([new Uint8Array(mask)]), "mask.file");
    const response = await fetch(`${gateway.url}/v1/images/edits`, {
      method: "POST",
      body: json ? JSON.stringify({ model, prompt: "a hat", image: image.toString("base64") }) : form,
      headers: { authorization: `Bearer ${gateway.key}`, ...(json ? { "content-type": "application/json" } : {}) },
    });
    const body = (await response.json()) as {
      metadata?: { pictor?: { changes?: unknown[] } };
      error?: { code: string; param: string; message: string };
    };
    return { status: response.status, changes: body.metadata?.pictor?.changes, error: body.error };
  }

  const bytesOf = (uri: string | undefined) => Buffer.from(uri?.split(",")[1] ?? "", "base64");

  for (const [type, make] of [
    ["gif", () => red().gif()],
    ["avif", () => red().avif({ effort: 0 })],
    ["tiff", () => red().tiff()],
    ["webp", () => red().webp()],
  ] as [string, () => Sharp][]) {
    it(`a ${type} reaches the provider as a PNG of the same picture, and the client is told`, async () => {
      expect(await edit(await make().toBuffer())).to.deep.equal({
        status: 200,
        changes: [{ field: "image", what: `${type} converted to png` }],
        error: undefined,
      });
      const { images, names } = sent[0]!;
      expect([images[0]!.slice(0, 15), names]).to.deep.equal(["data:image/png;", ["cat.png"]]);
      const { data, info } = await sharp(bytesOf(images[0])).raw().toBuffer({ resolveWithObject: true });
      expect(info).to.include({ width: 24, height: 16 });
      expect(data[0]).to.be.greaterThan(240);
      expect(data[1]).to.be.lessThan(16);
    });
  }

  for (const [type, part, make] of [
    ["gif", "frame", () => animated().gif({ delay: [100, 100, 100] })],
    ["webp", "frame", () => animated().webp({ lossless: true })],
    ["tiff", "page", () => animated().tiff({ compression: "none" })],
  ] as [string, string, () => Sharp][]) {
    it(`of a ${type} with several pictures the first is taken, and named as such`, async () => {
      const { status, changes } = await edit(await make().toBuffer());
      expect([status, changes]).to.deep.equal([200, [{ field: "image", what: `${type} converted to png (first ${part} of 3)` }]]);
      const { data, info } = await sharp(bytesOf(sent[0]!.images[0])).removeAlpha().raw().toBuffer({ resolveWithObject: true });
      expect(info).to.include({ width: 8, height: 8 });
      expect([...data.subarray(0, 3)]).to.deep.equal([255, 0, 0]);
    });
  }

  it("a mask is converted too, with its transparency", async () => {
    const { status, changes } = await edit(await red().png().toBuffer(), { mask: await red(4).tiff({ compression: "lzw" }).toBuffer() });
    expect([status, changes]).to.deep.equal([200, [{ field: "mask", what: "tiff converted to png" }]]);
    expect(await sharp(bytesOf(sent[0]!.mask)).metadata()).to.include({ format: "png", hasAlpha: true, width: 24 });
  });

  it("an animation stays as it came where the provider takes its type", async () => {
    for (const made of [animated().gif(), animated().webp()]) {
      const bytes = await made.toBuffer();
      expect(await edit(bytes, { model: "open" })).to.deep.include({ status: 200, changes: undefined });
      expect(bytesOf(sent.at(-1)!.images[0]).equals(bytes)).to.equal(true);
    }
  });

  it("a TIFF is converted also where the channel names no types, and a GIF is not", async () => {
    const { changes } = await edit(await red().tiff().toBuffer(), { model: "any" });
    expect(changes).to.deep.equal([{ field: "image", what: "tiff converted to png" }]);
    expect(await edit(await red().gif().toBuffer(), { model: "any" })).to.deep.include({ status: 200, changes: undefined });
  });

  it("a large TIFF is known in the base64 of a JSON body", async () => {
    const noise = { type: "gaussian", mean: 128, sigma: 40 } as const;
    const large = sharp({ create: { width: 200, height: 200, channels: 3, background: "red", noise } }).tiff({ compression: "none" });
    expect((await edit(await large.toBuffer(), { json: true })).changes).to.deep.equal([{ field: "image", what: "tiff converted to png" }]);
  });

  it("a picture that stands on its side by its metadata is turned upright", async () => {
    expect((await edit(await red().withMetadata({ orientation: 6 }).webp().toBuffer())).status).to.equal(200);
    expect(await sharp(bytesOf(sent[0]!.images[0])).metadata()).to.include({ width: 16, height: 24 });
  });

  const heic = Buffer.concat([Buffer.from("\0\0\0\x18ftypheic\0\0\0\0mif1heic", "latin1"), Buffer.alloc(64)]);
  const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>');
  const huge = Buffer.from("524946461a000000574542505650384c0d0000002f0000000007d0ffff00000000000000", "hex");
  huge.writeUInt32LE((9999 | (9999 << 14)) >>> 0, 21);
  const gif = Buffer.from("47494638396108000800800000ff0000ffffff2c00000000010001000002024401003b", "hex");
  for (const [what, bytes, message, model] of [
    ["a BMP", Buffer.from("BM\x3a\0\0\0\0\0\0\0\x36\0\0\0", "latin1"), /send PNG, JPEG, WebP, GIF, AVIF or TIFF$/],
    ["an SVG", svg, /send PNG, JPEG, WebP, GIF, AVIF or TIFF$/],
    ["a HEIC that cannot be read", heic, /a kind of HEIC that is not understood; send it as PNG, JPEG or WebP$/],
    ["a TIFF that breaks off", Buffer.from("II*\0\x08\0\0\0\x01\0", "latin1"), /is damaged, or a kind of TIFF/],
    ["a WebP of 34 bytes that says it has 100 megapixels", huge, /says that it has more pixels than its bytes can hold$/],
    ["a GIF where the provider takes JPEG only", gif, /^image is image\/gif; these are taken: jpeg$/, "jpegs"],
  ] as [string, Buffer, RegExp, string?][]) {
    it(`${what} is refused with what can be sent, and nothing is ordered`, async () => {
      const { status, error } = await edit(bytes, { model });
      expect([status, error?.code, error?.param]).to.deep.equal([400, "invalid_image_file", "image"]);
      expect(error?.message).to.match(message);
      expect(sent).to.deep.equal([]);
    });
  }
});
