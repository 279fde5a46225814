import { Readable } from "node:stream";
import { expect } from "chai";
import { ProviderFailure } from "../../src/errors.ts";
import type { Gateway } from "../../src/http/gateway.ts";
import { usualLimits } from "../../src/http/input-limits.ts";
import { solidPng } from "../../src/picture/png.ts";
import type { TestGateway } from "../../src/testing/gateway.ts";
import { answer, callOf } from "../../src/testing/mock.ts";
import { gatewayWith } from "../helpers/channels.ts";
import { httpProvider, type Provider } from "../helpers/provider.ts";
import { errorOf } from "../http/setup.ts";

const cat = solidPng(8, 8);
const dataUri = `data:image/png;base64,${cat.toString("base64")}`;
const lost = "lost".repeat(8);

/** A channel that puts the images into JSON as this plugin says. */
const channel = (model: string, options: string) => `base_url: \${env.ADDRESS}
models: { ${model}: { schema: demo } }
plugins: [{ image-inputs: ${options} }]
generate: { request: { post: /draw, json: { text: "\${request.prompt}" } }, result: { images: "\${[body]}", base64: "\${image.picture}" } }
edit: { like: generate, request: { post: /edit, json: { text: "\${request.prompt}", images: "\${request.images}", mask: "\${request.mask}" } } }
`;
const files = {
  "inline.yaml": channel("inline", "{ as: data_uri }"),
  "linked.yaml": channel("linked", "{ as: url }"),
  "either.yaml": channel("either", "{ as: url_or_data_uri, max_side: 64, shrink: true }"),
};

describe("pictures of this gateway that a client names by their URL", () => {
  let provider: Provider;
  let gateway: TestGateway;
  let edited: unknown[];
  let fetched: string[];
  before(async () => {
    provider = await httpProvider((request, response) => {
      void callOf(request).then(({ body }) => {
        const { images, mask } = JSON.parse(body.toString("utf8")) as { images: string[]; mask?: string };
        edited.push({ images, ...(mask !== undefined && { mask }) });
        answer(response, { json: { picture: cat.toString("base64") } });
      });
    });
  });
  after(() => provider.close());
  beforeEach(() => ([edited, fetched] = [[], []]));
  afterEach(() => gateway.close());

  const open = async (parts: Partial<Gateway> = {}) => {
    const fetchPicture: Gateway["fetchPicture"] = (url) => {
      fetched.push(url);
      return Promise.reject(new ProviderFailure("bad_response", "it is a stranger's"));
    };
    gateway = await gatewayWith(files, { ADDRESS: provider.url }, { fetchPicture, ...parts });
  };
  const stored = async (bytes = cat) => (await gateway.gateway.store.save(Readable.from([bytes]))).id;
  const edit = (fields: object, path = "edits") =>
    fetch(`${gateway.url}/v1/images/${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${gateway.key}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "inline", prompt: "a hat", ...fields }),
    });

  it("are read where they are kept, as is their cost", async () => {
    await open();
    const [id, { host }] = [await stored(), new URL(gateway.url)];
    const ways = [`http://${host}/images/${id}`, `HTTP://${host}/x/../images/./${id}#here`];
    for (const url of ways) expect((await edit({ image: { image_url: { url } }, mask: url })).status, url).to.equal(200);
    expect(edited).to.deep.equal(ways.map(() => ({ images: [dataUri], mask: dataUri })));
    expect((await edit({ image: ways[0] }, "estimate")).status).to.equal(200);
    expect(fetched).to.deep.equal([]);
  });

  it("are strangers' where anything else stands in the URL", async () => {
    await open();
    const id = await stored();
    const { host, port } = new URL(gateway.url);
    const strangers = [
      `https://${host}/images/${id}`,
      `http://127.0.0.1:${Number(port) - 1}/images/${id}`,
      `http://127.0.0.1/images/${id}`,
      `http://localhost:${port}/images/${id}`,
      `http://user@${host}/images/${id}`,
      `http://user:word@${host}/images/${id}`,
      `http://127.0.0.1.evil.example:${port}/images/${id}`,
      `http://127.0.0.1.evil.example:${port}/images/${id}`,
      `http://evil.example/images/${id}`,
      `http://evil.example/?http://${host}/images/${id}`,
      `http://evil.example/#http://${host}/images/${id}`,
      `http://${host}\\@evil.example/images/${id}`,
      `http://${host}//images/${id}`,
      `http://${host}/images/${id}/`,
      `http://${host}/images%2F${id}`,
      `http://${host}/images/../${id}`,
      `http://${host}/admin/images/${id}`,
      `http://${host}/images/${id}?thumbnail=true`,
      `http://${host}/images/cat.png`,
      `http://${host}/metrics`,
    ];
    for (const url of strangers) await errorOf(await edit({ image: url }), 400, "invalid_image_file", "image");
    expect(fetched).to.deep.equal(strangers);
    expect(edited).to.deep.equal([]);
  });

  it("are refused where they are no longer kept, or are no pictures, or too large", async () => {
    await open({ inputLimits: { ...usualLimits, bytes: cat.length } });
    const gone = async (id: string) => {
      const response = await edit({ images: [dataUri, `${gateway.url}/images/${id}`] });
      expect(await errorOf(response, 400, "invalid_image_file", "images[1]")).to.have.property(
        "message",
        "images[1] is a picture that is no longer kept here; send the image itself",
      );
    };
    await gone(lost);
    await gone(await stored(Buffer.from('{"prompt":"of somebody else"}')));
    const { store } = gateway.gateway;
    const [id, read] = [await stored(), store.read.bind(store)];
    // It is removed between the two looks at it.
    store.read = async (picture, range) => read({ ...picture, etag: '"0"' }, range);
    await gone(id);
    store.read = () => Promise.reject(new Error("broken"));
    await errorOf(await edit({ image: `${gateway.url}/images/${id}` }), 500, "internal_error");
    store.read = read;
    const large = await stored(solidPng(640, 480));
    await errorOf(await edit({ image: `${gateway.url}/images/${large}` }), 413, "request_too_large", "image");
    expect(fetched).to.deep.equal([]);
  });

  it("have the public address alone where there is one, and go to a provider by it", async () => {
    await open({ publicUrl: "https://pictures.example/pictor" });
    const [id, wide] = [await stored(), await stored(solidPng(128, 16))];
    const url = `https://pictures.example/pictor/images/${id}`;
    for (const model of ["inline", "linked", "either"]) expect((await edit({ model, image: url })).status, model).to.equal(200);
    expect(edited).to.deep.equal([dataUri, url, url].map((image) => ({ images: [image] })));
    for (const other of [`${gateway.url}/images/${id}`, `https://pictures.example/images/${id}`])
      await errorOf(await edit({ image: other }), 400, "invalid_image_file", "image");
    expect(fetched).to.have.length(2);
    // One that was made smaller is another picture.
    expect((await edit({ model: "either", image: `https://pictures.example/pictor/images/${wide}` })).status).to.equal(200);
    expect((edited.at(-1) as { images: string[] }).images[0]).to.match(/^data:image\/png;base64,/);
  });
});
