import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { keepRequest, readKeptRequest, type Asked } from "../../src/gateway/kept-request.ts";
import { buffer } from "node:stream/consumers";
import { chunksOf } from "../../src/picture/convert.ts";
import { InputImage } from "../../src/picture/input.ts";
import { solidPng } from "../../src/picture/png.ts";
import { openFolderStore } from "../../src/picture/folder-store.ts";
import type { PictureStore } from "../../src/picture/store.ts";

const picture = (side: number) => ({ kind: "bytes", bytes: solidPng(side, side) }) as const;
const image = new InputImage({ data: picture(8), field: "image[0]", name: "a.png", type: "image/png", width: 8, height: 8 });
const link = new InputImage({
  data: { kind: "url", url: "https://a.example/b.png" },
  field: "image[1]",
  name: "b.png",
  mayBePrivate: true,
});
const mask = new InputImage({ data: picture(16), field: "mask", name: "m.png", type: "image/png", width: 16, height: 16 });
const asked: Asked = {
  request: { model: "demo", prompt: "a cat", n: 2, images: [image, link], mask },
  changes: [{ field: "size", from: "auto", to: "1024x1024" }],
  origin: "http://a.example",
  pinned: "acme",
  others: [{ model: "other", request: { model: "other", prompt: "a cat", n: 1, images: [image, link], mask }, changes: [] }],
};

describe("a request that is kept", () => {
  let folder: string;
  let store: PictureStore;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "pictor-kept-"));
    store = await openFolderStore({ folder, life: 3600 });
  });
  afterEach(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });

  it("is read as it was, with its images, also as the models take it that may stand in", async () => {
    const read = await readKeptRequest(store, await keepRequest(store, asked, 60));
    const plain = (request: Asked["request"] | undefined) => ({ ...request, images: undefined, mask: undefined });
    expect(plain(read?.request)).to.deep.equal(plain(asked.request));
    expect({ ...read, request: undefined, others: undefined }).to.deep.equal({ ...asked, request: undefined, others: undefined });
    expect(read?.others?.map(({ model, request }) => [model, plain(request)])).to.deep.equal([
      ["other", plain(asked.others?.[0]?.request)],
    ]);
    for (const { images = [], mask } of [read!.request, read!.others![0]!.request]) {
      expect(images.map(({ field, name, type, width, mayBePrivate }) => [field, name, type, width, mayBePrivate])).to.deep.equal([
        ["image[0]", "a.png", "image/png", 8, false],
        ["image[1]", "b.png", undefined, undefined, true],
      ]);
      expect(images[1]?.url).to.equal("https://a.example/b.png");
      const bytes = [images[0], mask].map(async (one) => (one && one.data.kind !== "url" ? buffer(chunksOf(one.data)) : undefined));
      expect(await Promise.all(bytes)).to.deep.equal([solidPng(8, 8), solidPng(16, 16)]);
    }
  });

  it("is one without images too", async () => {
    const request = { model: "demo", prompt: "a cat", n: 2 };
    const read = await readKeptRequest(store, await keepRequest(store, { request, changes: [], origin: "" }, 60));
    expect(read).to.deep.equal({ request, changes: [], origin: "", others: undefined });
  });

  const withoutMask: Asked = { ...asked, request: { model: "demo", prompt: "a cat", n: 1, images: [image] } };
  const withMask: Asked = { ...asked, request: { model: "demo", prompt: "a cat", n: 1, images: [link], mask } };
  for (const [part, of] of Object.entries({ image: withoutMask, mask: withMask }))
    it(`is none any more without its ${part}`, async () => {
      const ids: string[] = [];
      const save: PictureStore["save"] = async (...all) => {
        const saved = await store.save(...all);
        ids.push(saved.id);
        return saved;
      };
      const document = await keepRequest({ ...store, save }, of, 60);
      // The picture is kept before the document that names it.
      const [picture] = ids;
      expect(await readKeptRequest(store, document)).to.have.property("origin", asked.origin);
      const find: PictureStore["find"] = (id) => (id === picture ? Promise.resolve(undefined) : store.find(id));
      expect(await readKeptRequest({ ...store, find }, document)).to.equal(undefined);
    });

  it("is none where nothing is kept", async () => {
    expect(await readKeptRequest(store, "nothing")).to.equal(undefined);
  });
});
