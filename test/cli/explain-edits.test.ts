import { expect } from "chai";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { explain } from "../../src/cli/explain.ts";
import { fieldsOf } from "../../src/cli/fields.ts";
import { solidPng } from "../../src/picture/png.ts";
import { channelFolder } from "../helpers/channels.ts";
import { inProcess, pictor } from "./commands.ts";

/** A channel whose address would be a failure if anything were sent to it. */
const channel = (priority: number, more: string) => `base_url: http://127.0.0.1:1
keys: ["\${env.SECRET_KEY}"]
priority: ${priority}
models: { demo: {} }
${more}`;

const json = `
generate:
  request: { post: /draw, json: { text: "\${request.prompt}" } }
  result: { images: "\${body.images}", url: "\${image}" }
`;

const edit = `
edit:
  request: { post: /edit, json: { text: "\${request.prompt}", size: "\${request.size}", images: "\${request.images}", mask: "\${request.mask}" } }
`;

const files = {
  "form.yaml": channel(0, "extends: openai-images\nplugins: [image-inputs: { mask: white }]\n"),
  "text.yaml": channel(1, `plugins: [image-inputs: { as: data_uri, max: 2 }]${json}${edit}`),
  "lent.yaml": channel(2, `plugins: [image-inputs: { as: url }]${json}${edit}`),
  "draws.yaml": channel(3, json).replace("demo: {}", "demo: {}, dall-e-3: {}"),
};

interface Told {
  request: Record<string, unknown>;
  refused?: Record<string, unknown>;
  channels: { channel: string; requests: { url: string; headers: Record<string, string>; body?: unknown }[]; refused?: object }[];
}

describe("pictor explain with images", () => {
  let made: Awaited<ReturnType<typeof channelFolder>>;
  let paths: Record<"cat" | "dog" | "mask" | "words", string>;
  const sizes = { cat: 0, dog: 0, mask: 0 };
  before(async () => {
    made = await channelFolder(files);
    const mask = await sharp({ create: { width: 8, height: 8, channels: 4, background: { r: 1, g: 2, b: 3, alpha: 0 } } })
      .png()
      .toBuffer();
    const pictures = { cat: solidPng(8, 8), dog: solidPng(300, 200), mask, words: Buffer.from("not a picture") };
    paths = { cat: "", dog: "", mask: "", words: "" };
    for (const name of ["cat", "dog", "mask", "words"] as const) {
      paths[name] = join(made.folder, `${name}.png`);
      await writeFile(paths[name], pictures[name]);
    }
    for (const name of ["cat", "dog", "mask"] as const) sizes[name] = pictures[name].length;
  });
  after(() => made.remove());

  const env = () => ({ PICTOR_CHANNELS: made.folder, SECRET_KEY: "a-secret-of-ours" });
  const run = (words: string[], options: Parameters<typeof explain>[2]) =>
    inProcess((say) => explain("demo", fieldsOf(words), options, { env: env(), say }));
  const told = async (options: Parameters<typeof explain>[2], words: string[] = []): Promise<Told> => {
    const { out, err } = await run(words, { ...options, json: true });
    expect(err).to.equal("");
    return JSON.parse(out) as Told;
  };

  it("shows the edit that would be sent, with what each file is in the place of its bytes", async () => {
    const { request, channels } = await told({ image: [paths.cat], mask: paths.mask }, ["--size", "256x256"]);
    const shown = (name: "cat" | "mask") => `(image of ${sizes[name]} bytes, image/png)`;
    expect(request).to.deep.include({ images: [shown("cat")], mask: shown("mask"), size: "256x256" });
    expect(channels.map(({ channel: name }) => name)).to.deep.equal(["form", "text", "lent"]);
    const [form, text, lent] = channels.map(({ requests }) => requests[0]!);
    expect(form!.url).to.equal("http://127.0.0.1:1/images/edits");
    const parts = (form!.body as Record<string, unknown>[]).filter(({ name }) => !["n", "size"].includes(String(name)));
    expect(parts.slice(0, 3)).to.deep.equal([
      { name: "model", value: "demo" },
      { name: "prompt", value: "a cat" },
      { name: "image", file: "cat.png", type: "image/png", bytes: sizes.cat },
    ]);
    // The mask is the white one that the provider gets.
    const { bytes, ...mask } = parts[3]!;
    expect(mask).to.deep.equal({ name: "mask", file: "mask.png", type: "image/png" });
    expect(bytes).to.be.a("number").and.not.equal(sizes.mask);
    expect(text!.body).to.deep.equal({ text: "a cat", size: "256x256", images: [shown("cat")], mask: shown("mask") });
    expect(lent!.body).to.deep.equal({
      text: "a cat",
      size: "256x256",
      images: ["(a URL of this gateway)"],
      mask: "(a URL of this gateway)",
    });
  });

  it("keeps the order of several, and tells who takes fewer", async () => {
    const { channels } = await told({ image: [paths.dog, paths.cat, paths.cat] });
    const parts = channels[0]!.requests[0]!.body as { name: string; file?: string }[];
    expect(parts.filter(({ file }) => file).map(({ name, file }) => [name, file])).to.deep.equal([
      ["image[]", "dog.png"],
      ["image[]", "cat.png"],
      ["image[]", "cat.png"],
    ]);
    expect(channels[1]!.refused).to.include({ code: "invalid_value", param: "image" });
  });

  it("shows what a client that wants a stream makes of the request", async () => {
    const [plain, streamed] = [await told({ image: [paths.cat] }), await told({ image: [paths.cat], stream: true })];
    const streamOf = ({ channels }: Told) =>
      (channels[0]!.requests[0]!.body as { name: string; value?: string }[]).find(({ name }) => name === "stream")?.value;
    expect([streamOf(plain), streamOf(streamed)]).to.deep.equal([undefined, "true"]);
    expect(streamed.channels[0]!.requests[0]!.headers.accept).to.equal("text/event-stream, application/json");
    expect(streamed.request).to.include({ response_format: "b64_json" }).and.not.have.property("stream");
  });

  it("judges the files as the gateway does, and says which cannot be read", async () => {
    for (const [options, refused] of [
      [{ image: [paths.words] }, { code: "invalid_image_file", param: "image" }],
      [
        { image: [paths.dog], mask: paths.mask },
        { code: "invalid_image_file", param: "mask" },
      ],
      [{ mask: paths.mask }, { code: "missing_required_parameter", param: "image" }],
    ] as const)
      expect((await told(options)).refused).to.include(refused);
    expect((await run([], { image: ["nowhere.png"] })).err).to.match(/ENOENT.*nowhere\.png/);
  });

  it("tells that a model cannot edit", async () => {
    const { out } = await inProcess((say) => explain("dall-e-3", {}, { image: [paths.cat] }, { env: env(), say }));
    expect(out).to.match(/^invalid_value: dall-e-3 cannot edit pictures/);
  });

  it("is a command with options, among the fields", async () => {
    const words = ["explain", "demo", "--image", paths.cat, "--size", "256x256", "--image", paths.dog, "--stream", "--json", "--n", "1"];
    const { code, out, err } = await pictor(words, env());
    expect([code, err]).to.deep.equal([0, ""]);
    expect((JSON.parse(out) as Told).request.images).to.have.length(2);
  });
});
