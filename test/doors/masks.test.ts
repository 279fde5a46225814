// A mask of AUTOMATIC1111's API, on its way to providers with other marks than white.
import { expect } from "chai";
import sharp from "sharp";
import { loadDoors } from "../../src/door/load.ts";
import { solidPng } from "../../src/picture/png.ts";
import type { TestGateway } from "../../src/testing/gateway.ts";
import { answer, callOf } from "../../src/testing/mock.ts";
import { gatewayWith } from "../helpers/channels.ts";
import { httpProvider, type Provider } from "../helpers/provider.ts";
import { openDoors } from "./house.ts";

const marks = ["alpha", "white", "black"] as const;
const models = (kind: string) =>
  marks.map((mark) => `${kind}-${mark}: { schema: open, plugins: { image-inputs: { mask: ${mark} } } }`).join(", ");
const common = (kind: string) => `
base_url: \${env.ACME_URL}
keys: ["\${env.ACME_KEY}"]
models: { ${models(kind)} }
plugins: [inspect, { image-inputs: { as: base64 } }]
`;
const request = `request: { post: /draw, json: { words: "\${request.prompt}", picture: "\${request.images[0]}", mask: "\${request.mask}" } }`;

const channels = {
  "now.yaml": `${common("now")}
edit:
  ${request}
  result: { images: "\${[body]}", base64: "\${image.picture}" }
`,
  "later.yaml": `${common("later")}
edit:
  ${request}
  poll: { get: "/tasks/\${submitted.id}", every: 5ms, state: "\${body.state}", done: [done] }
  result: { images: "\${[body]}", base64: "\${image.picture}" }
`,
};

/** Every grey there is, once: 255 is white, which is drawn anew. */
const greys = Array.from({ length: 256 }, (_, grey) => grey);
const picture = solidPng(16, 16).toString("base64");

describe("a mask through the door automatic1111", () => {
  let masks: string[] = [];
  let mask: string;
  let provider: Provider;
  let gateway: TestGateway;
  before(async () => {
    const drawn = sharp(Buffer.from(greys), { raw: { width: 16, height: 16, channels: 1 } });
    mask = (await drawn.toColourspace("b-w").png().toBuffer()).toString("base64");
    provider = await httpProvider((incoming, response) => {
      void callOf(incoming).then(({ path, body }) => {
        if (path === "/draw") masks.push((JSON.parse(body.toString()) as { mask: string }).mask);
        answer(response, { json: { id: "t1", state: "done", picture } });
      });
    });
    gateway = await gatewayWith(channels, { ACME_URL: provider.url, ACME_KEY: "acme-secret" });
    openDoors(gateway.gateway, (await loadDoors({ folder: "channels" })).doors);
  });
  after(async () => {
    await gateway.close();
    await provider.close();
  });

  /** The pixels of the mask that the provider gets of this model: red, green, blue and alpha of each. */
  async function received(sd_model_checkpoint: string, more: object): Promise<number[]> {
    masks = [];
    const response = await fetch(`${gateway.url}/sdapi/v1/img2img`, {
      method: "POST",
      headers: { authorization: `Bearer ${gateway.key}`, "content-type": "application/json" },
      body: JSON.stringify({ prompt: "a hat", init_images: [picture], mask, override_settings: { sd_model_checkpoint }, ...more }),
    });
    expect(await response.json()).to.deep.include({ images: [picture] });
    expect(masks).to.have.length(1);
    return [
      ...(await sharp(Buffer.from(masks[0] ?? "", "base64"))
        .toColourspace("srgb")
        .ensureAlpha()
        .raw()
        .toBuffer()),
    ];
  }

  /** What marks `whiteness` of something to be drawn anew, as the provider of this mark reads it. */
  const marked = {
    alpha: (whiteness: number) => [0, 0, 0, 255 - whiteness],
    white: (whiteness: number) => [whiteness, whiteness, whiteness, 255],
    black: (whiteness: number) => [255 - whiteness, 255 - whiteness, 255 - whiteness, 255],
  };

  for (const [kind, what] of [
    ["now", "that draws at once"],
    ["later", "of tasks"],
  ] as const)
    for (const mark of marks) {
      it(`reaches a provider ${what} whose mark is ${mark}, pixel for pixel`, async () => {
        expect(await received(`${kind}-${mark}`, {})).to.deep.equal(greys.flatMap(marked[mark]));
      });

      it(`reaches it the other way round where inpainting_mask_invert says so`, async () => {
        for (const inpainting_mask_invert of [1, true])
          expect(await received(`${kind}-${mark}`, { inpainting_mask_invert })).to.deep.equal(
            greys.flatMap((grey) => marked[mark](255 - grey)),
          );
      });
    }
});
