import { expect } from "chai";
import sharp from "sharp";
import { solidPng } from "../../src/picture/png.ts";
import type { TestGateway } from "../../src/testing/gateway.ts";
import { answer, callOf } from "../../src/testing/mock.ts";
import { gatewayWith } from "../helpers/channels.ts";
import { httpProvider, type Provider } from "../helpers/provider.ts";

const image = solidPng(8, 8);

const channel = (name: string, rest: string) => `extends: openai-images
base_url: \${env.ADDRESS}/${name}
models: { demo: {} }
${rest}`;

describe("images that a client gives by URL", () => {
  const asked: string[] = [];
  const edits: { key: string | undefined; form: Record<string, { base64: string }> }[] = [];
  let provider: Provider;
  let gateway: TestGateway;
  let mask: Buffer;
  before(async () => {
    mask = await sharp({ create: { width: 8, height: 8, channels: 4, background: { r: 1, g: 2, b: 3, alpha: 0 } } })
      .png()
      .toBuffer();
    provider = await httpProvider((request, response) => {
      void callOf(request).then(({ path, headers, form }) => {
        asked.push(path);
        const picture = new Map([
          ["/image.png", image],
          ["/mask.png", mask],
        ]).get(path);
        if (picture) {
          answer(response, { base64: picture.toString("base64") });
          return;
        }
        const count = edits.push({ key: headers.authorization, form: form as Record<string, { base64: string }> });
        // A key that is turned away, a channel that is overloaded, and one that answers.
        answer(response, { status: [401, 503][count - 1] ?? 200, json: { data: [{ b64_json: image.toString("base64") }] } });
      });
    });
    const files = {
      "first.yaml": channel("first", "keys: ['${env.ONE}', '${env.TWO}']\nplugins: [image-inputs]\n"),
      "second.yaml": channel("second", "keys: ['${env.THREE}']\npriority: 1\nplugins: [image-inputs: { mask: white }]\n"),
    };
    gateway = await gatewayWith(
      files,
      { ADDRESS: provider.url, ONE: "one", TWO: "two", THREE: "three" },
      { isWeb: ({ origin }) => origin === provider.url },
    );
  });
  after(async () => {
    await gateway.close();
    await provider.close();
  });

  const edit = (fields: object) =>
    fetch(`${gateway.url}/v1/images/edits`, {
      method: "POST",
      headers: { authorization: `Bearer ${gateway.key}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "demo", prompt: "a hat", ...fields }),
    });

  it("are fetched once a request, however many keys and channels are tried with them", async () => {
    const urls = { image: `${provider.url}/image.png`, mask: `${provider.url}/mask.png` };
    const response = await edit(urls);
    expect(response.status, await response.text()).to.equal(200);
    expect(asked.filter((path) => path.endsWith(".png"))).to.deep.equal(["/image.png", "/mask.png"]);
    expect(edits.map(({ key }) => key)).to.have.members(["Bearer one", "Bearer two", "Bearer three"]);
    const masks: string[] = [];
    for (const { form } of edits) {
      expect(form.image?.base64).to.equal(image.toString("base64"));
      masks.push(form.mask?.base64 ?? "none");
    }
    // Each attempt turns the mask that came, and not what another made of it.
    const [first, second, turned = ""] = masks;
    expect([first, second]).to.deep.equal([mask.toString("base64"), mask.toString("base64")]);
    const greys = await sharp(Buffer.from(turned, "base64")).toColourspace("b-w").raw().toBuffer();
    expect([...greys]).to.deep.equal(Array(64).fill(255));

    asked.length = 0;
    expect((await edit(urls)).status).to.equal(200);
    expect(
      asked.filter((path) => path.endsWith(".png")),
      "another request",
    ).to.deep.equal(["/image.png", "/mask.png"]);
  });
});
