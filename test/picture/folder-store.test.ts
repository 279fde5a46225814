import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "chai";
import { openFolderStore } from "../../src/picture/folder-store.ts";
import { NotStored, type PictureStore, type StoredPicture } from "../../src/picture/store.ts";
import { until } from "../http/setup.ts";
import { picture as png, source, storeSuite } from "./store-suite.ts";

const hour = 60 * 60 * 1000;
describe("a picture store in a folder", () => {
  let folder: string;
  let store: PictureStore;
  let ahead: number;
  const now = () => Date.now() + ahead;
  const files = async (name: string) => readdir(join(folder, name));
  const fileOf = ({ etag }: StoredPicture) => join(folder, "pictures", etag.slice(1, -1));

  describe("as any store", () => {
    let own: string;
    storeSuite(
      async (clock) => {
        own = await mkdtemp(join(tmpdir(), "pictor-store-"));
        const count = async () => (await readdir(join(own, "links"))).length + (await readdir(join(own, "pictures"))).length;
        return { store: await openFolderStore({ folder: own, life: 60, now: clock }), count };
      },
      () => rm(own, { recursive: true }),
    );
  });

  beforeEach(async () => {
    ahead = 0;
    folder = await mkdtemp(join(tmpdir(), "pictor-store-"));
    store = await openFolderStore({ folder, life: 60, now });
  });

  afterEach(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });

  it("makes its folders anew where somebody removed them, and tells a broken disk from a broken source", async () => {
    await rm(folder, { recursive: true });
    expect((await store.disk()).writable).to.equal(true);
    await rm(folder, { recursive: true });
    const saved = await store.save(source(png));
    expect(await store.find(saved.id)).to.deep.equal(saved);
    await rm(folder, { recursive: true });
    await writeFile(folder, "");
    const failed = async (...parts: (Buffer | Error)[]) => store.save(source(...parts)).catch((error: unknown) => error);
    expect(await failed(png)).to.be.instanceOf(NotStored);
    await rm(folder);
    const cut = new Error("cut");
    expect(await failed(png, cut)).to.equal(cut);
  });

  it("removes the oldest pictures beyond the bytes that it may keep, and takes none that is larger than those", async () => {
    const own = await openFolderStore({ folder, life: 60, most: 350_000 });
    const kept: StoredPicture[] = [];
    for (let index = 0; index < 5; index += 1) {
      kept.push(await own.save(source(Buffer.concat([png, Buffer.from(String(index))]))));
      // So that each is older than the next, however fast the disk is.
      await utimes(join(folder, "links", String(kept.at(-1)?.id)), index, index);
      await own.settled();
    }
    const found = await Promise.all(kept.map(async ({ id }) => (await own.find(id)) !== undefined));
    expect(found).to.deep.equal([false, false, true, true, true]);
    expect(await files("pictures")).to.have.length(3);
    expect(await own.save(source(Buffer.alloc(400_000))).catch((error: unknown) => error)).to.be.instanceOf(NotStored);
    await own.close();
  });

  it("is for the owner's eyes only", async () => {
    const saved = await store.save(source(png));
    for (const path of ["pictures", "links"]) expect((await stat(join(folder, path))).mode & 0o777, path).to.equal(0o700);
    for (const path of [fileOf(saved), join(folder, "links", saved.id)]) expect((await stat(path)).mode & 0o777).to.equal(0o600);
  });

  it("holds the same content once, under an id for each save", async () => {
    const saved = await Promise.all(Array.from({ length: 20 }, async () => store.save(source(png))));
    expect(new Set(saved.map(({ id }) => id)).size).to.equal(20);
    expect(new Set(saved.map(fileOf)).size).to.equal(1);
    expect(await files("pictures")).to.have.length(1);
  });

  it("leaves nothing behind when the source fails", async () => {
    const cut = new Error("cut");
    const failure = await store.save(source(png, cut)).catch((error: unknown) => error);
    expect(failure).to.equal(cut);
    expect([await files("pictures"), await files("links")]).to.deep.equal([[], []]);
  });

  it("leaves nothing behind when the link cannot be written", async () => {
    await rename(join(folder, "links"), join(folder, "elsewhere"));
    expect(await store.save(source(png)).catch((error: unknown) => error)).to.have.nested.property("cause.code", "ENOENT");
    expect(await files("pictures")).to.deep.equal([]);
    await rename(join(folder, "elsewhere"), join(folder, "links"));
  });

  it("finds nothing where a power cut left half of it", async () => {
    const [whole, half] = [await store.save(source(png)), await store.save(source(Buffer.from("half")))];
    await truncate(fileOf(half), 2);
    expect(await store.find(half.id)).to.equal(undefined);
    await truncate(join(folder, "links", whole.id), 5);
    expect(await store.find(whole.id)).to.equal(undefined);
    expect(await store.sweep()).to.equal(2);
    await rm(fileOf(half));
    expect(await store.find(half.id)).to.equal(undefined);
  });

  it("sweeps what has expired, and keeps a picture that another id still names", async () => {
    const first = await store.save(source(png), 10);
    const second = await store.save(source(png), 100);
    await store.save(source(Buffer.from("other")), 10);
    expect(await store.sweep()).to.equal(0);
    ahead = 11_000;
    expect(await store.sweep()).to.equal(3);
    expect(await files("links")).to.deep.equal([second.id]);
    expect(await readFile(fileOf(first))).to.deep.equal(png);
    ahead = 101_000;
    expect(await store.sweep()).to.equal(2);
    expect([await files("pictures"), await files("links")]).to.deep.equal([[], []]);
  });

  it("sweeps temporary files only when they are old", async () => {
    await writeFile(join(folder, "pictures", "left-behind.tmp"), "");
    ahead = hour - 10_000;
    expect(await store.sweep()).to.equal(0);
    ahead = hour + 1000;
    expect(await store.sweep()).to.equal(1);
  });

  it("keeps a picture that is saved while a sweep takes the same content away", async () => {
    const old = await store.save(source(png));
    await rm(join(folder, "links", old.id));
    for (let other = 0; other < 150; other += 1) await writeFile(join(folder, "links", `other${other}`), JSON.stringify({ expires: 1e15 }));
    // A sweep asks for the time when it reads the links; by then it has listed them.
    let saving: Promise<StoredPicture> | undefined;
    let finished = "";
    const sweeper = await openFolderStore({
      folder,
      life: 60,
      now: () => {
        saving ??= store.save(source(png)).finally(() => (finished ||= "save"));
        return 0;
      },
    });
    try {
      await sweeper.sweep().finally(() => (finished ||= "sweep"));
      expect(finished).to.equal("save");
      const saved = await saving!;
      expect(await store.find(saved.id)).to.deep.equal(saved);
    } finally {
      await sweeper.close();
    }
  });

  it("forgets the link of a picture that cannot be put in its place", async () => {
    const saved = await store.save(source(png));
    await rm(fileOf(saved));
    await mkdir(join(fileOf(saved), "in the way"), { recursive: true });
    expect(await store.save(source(png)).catch((error: unknown) => error)).to.be.instanceOf(Error);
    expect(await files("links")).to.deep.equal([saved.id]);
    expect(await files("pictures")).to.have.length(1);
  });

  it("sweeps by itself, and goes on when a sweep fails", async () => {
    const own = await openFolderStore({ folder, life: 1, now });
    try {
      await rename(join(folder, "links"), join(folder, "elsewhere"));
      await delay(1200);
      await rename(join(folder, "elsewhere"), join(folder, "links"));
      const saved = await own.save(source(png), 0.1);
      await until(async () => (await files("links")).length === 0);
      expect(await own.find(saved.id)).to.equal(undefined);
    } finally {
      await own.close();
    }
  });
});
