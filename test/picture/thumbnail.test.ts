// Small pictures of stored ones.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { expect } from "chai";
import sharp from "sharp";
import { openFolderStore } from "../../src/picture/folder-store.ts";
import type { PictureStore } from "../../src/picture/store.ts";
import { thumbnailOf, thumbnailSide } from "../../src/picture/thumbnail.ts";

describe("picture: thumbnails", () => {
  let store: PictureStore;
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "pictor-thumbnails-"));
    store = await openFolderStore({ folder, life: 3600 });
  });
  after(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });

  async function* pieces(bytes: Buffer) {
    yield await Promise.resolve(bytes);
  }
  const noise = (width: number, height: number) =>
    sharp({ create: { width, height, channels: 3, background: "#888", noise: { type: "gaussian", mean: 128, sigma: 60 } } })
      .png()
      .toBuffer();

  it("are as large as a gallery needs them, and made once, also where several want one", async () => {
    const picture = await store.save(pieces(await noise(800, 400)), 60);
    const [one, other] = await Promise.all([thumbnailOf(store, picture), thumbnailOf(store, picture)]);
    expect(one).to.deep.equal(other);
    expect(await sharp(await buffer(await store.read(one))).metadata()).to.include({
      width: thumbnailSide,
      height: thumbnailSide / 2,
      format: "webp",
    });
    expect(one.id).not.to.equal(picture.id);
    expect(one.expires).to.be.closeTo(picture.expires, 1500);
    expect(await thumbnailOf(store, picture)).to.deep.equal(one);
  });

  it("are the pictures themselves where these are small, drawings or broken", async () => {
    const broken = (await noise(600, 600)).subarray(0, 40_000);
    const drawing = Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg"><!--${"x".repeat(40_000)}--></svg>`);
    const noPicture = Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), Buffer.alloc(40_000)]);
    for (const bytes of [await noise(8, 8), broken, drawing, noPicture]) {
      const picture = await store.save(pieces(bytes));
      expect(await thumbnailOf(store, picture)).to.equal(picture);
    }
  });

  it("are left out where the disk takes none", async () => {
    const picture = await store.save(pieces(await noise(500, 500)));
    const tiny = await openFull();
    const full: PictureStore = { ...store, save: (chunks) => tiny.save(chunks) };
    expect(await thumbnailOf(full, picture)).to.equal(picture);
  });

  async function openFull(): Promise<PictureStore> {
    const tiny = await openFolderStore({ folder: join(folder, "tiny"), life: 60, most: 1 });
    await tiny.close();
    return tiny;
  }
});
