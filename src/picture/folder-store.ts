// Keeps pictures in a folder, and gives each an id of its own.
import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, rename, rm, writeFile, type FileHandle } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { createWriter, watchDisk } from "./disk.ts";
import { createQuota } from "./quota.ts";
import { sniff, sniffBytes } from "./sniff.ts";
import { isStoredId, NotStored, noPicture, type ByteRange, type PictureStore, type StoredData, type StoredPicture } from "./store.ts";
import { readLink, statOf, sweepStore, temporaryIn, type Link } from "./sweep.ts";

/** Longest time between two sweeps of the store, in seconds: where pictures live for less, their life is the time between sweeps. */
export const longestPause = 10 * 60;

/**
 * Opens or creates the store in a folder, which several processes may share. `life` is in seconds. When the pictures exceed `most` bytes, the oldest
 * are removed.
 *
 * `pictures/` holds each content once, named by its SHA-256; `links/` holds one small file for each id. `save` puts the link in place before the
 * picture. A sweep moves an unlinked picture aside, reads the links again, and only then removes it. So a picture that is being saved survives a
 * sweep, in whatever order their steps happen.
 */
export async function openFolderStore(options: { folder: string; life: number; most?: number; now?: () => number }): Promise<PictureStore> {
  const { folder, life, most = Infinity, now = Date.now } = options;
  const pictures = resolve(folder, "pictures");
  const links = resolve(folder, "links");
  const makeFolders = async () => {
    for (const path of [pictures, links]) await mkdir(path, { recursive: true, mode: 0o700 });
  };
  await makeFolders();
  const disk = watchDisk(pictures);
  const sweep = () => sweepStore({ pictures, links, now });
  const quota = createQuota(links, most, sweep);

  const describe = (id: string, { hash, ...rest }: Link): StoredPicture => ({ id, etag: `"${hash}"`, ...rest });
  const fileOf = ({ etag }: StoredPicture) => join(pictures, etag.slice(1, -1));

  async function save(chunks: AsyncIterable<Buffer>, ownLife = life, id = randomBytes(24).toString("base64url")): Promise<StoredPicture> {
    const [pictureFile, linkFile] = [temporaryIn(pictures), temporaryIn(pictures)];
    const source = { failed: false };
    try {
      const handle = await open(pictureFile, "wx", 0o600).catch(async () => {
        // The folder may have been removed; a new one serves as well.
        await makeFolders();
        return open(pictureFile, "wx", 0o600);
      });
      const link = { ...(await write(handle, noting(chunks, source), most)), expires: now() + ownLife * 1000 };
      await writeFile(linkFile, JSON.stringify(link), { mode: 0o600 });
      await rename(linkFile, join(links, id));
      await rename(pictureFile, join(pictures, link.hash));
      quota.add(link.bytes);
      return describe(id, link);
    } catch (error) {
      for (const path of [pictureFile, linkFile, join(links, id)]) await rm(path, { force: true }).catch(() => undefined);
      throw source.failed ? error : new NotStored(error);
    }
  }

  async function find(id: string): Promise<StoredPicture | undefined> {
    if (!isStoredId(id)) return undefined;
    const link = await readLink(join(links, id));
    if (link === undefined || link.expires <= now()) return undefined;
    const picture = describe(id, link);
    // After a power cut there may be a link whose picture is missing or incomplete.
    return (await statOf(fileOf(picture)))?.size === link.bytes ? picture : undefined;
  }

  async function read(picture: StoredPicture, range?: ByteRange): Promise<Readable> {
    const handle = await open(fileOf(picture)).catch((error: unknown) => {
      throw noPicture(error);
    });
    return handle.createReadStream(range);
  }

  async function data(picture: StoredPicture): Promise<StoredData | undefined> {
    const path = fileOf(picture);
    const handle = await open(path).catch(() => undefined);
    if (!handle) return undefined;
    try {
      const head = Buffer.alloc(Math.min(sniffBytes, picture.bytes));
      await handle.read(head, 0, head.length, 0);
      return { kind: "file", path, size: picture.bytes, head };
    } finally {
      await handle.close();
    }
  }

  let sweeping: Promise<unknown> = Promise.resolve();
  const timer = setInterval(
    () => {
      sweeping = sweep().catch(() => undefined); // A full or missing disk shows in `save`; the next round tries again.
    },
    Math.max(1, Math.min(life, longestPause)) * 1000,
  ).unref();

  async function close(): Promise<void> {
    clearInterval(timer);
    await sweeping;
    await quota.settled();
  }

  return { save, find, read, data, sweep, disk, settled: quota.settled, close };
}

/** Passes the chunks on, and notes when reading them fails, so that `save` can distinguish it from a failure to write them. */
async function* noting(chunks: AsyncIterable<Buffer>, source: { failed: boolean }): AsyncGenerator<Buffer> {
  source.failed = true;
  for await (const chunk of chunks) {
    source.failed = false;
    yield chunk;
    source.failed = true;
  }
  source.failed = false;
}

/** Writes the chunks to a new file, `most` bytes at most, and returns their hash, media type and length. */
async function write(handle: FileHandle, chunks: AsyncIterable<Buffer>, most: number): Promise<Omit<Link, "expires">> {
  const hash = createHash("sha256");
  const head: Buffer[] = [];
  let bytes = 0;
  const writer = createWriter(handle);
  try {
    for await (const chunk of chunks) {
      if (bytes < sniffBytes) head.push(chunk.subarray(0, sniffBytes - bytes));
      hash.update(chunk);
      bytes += chunk.length;
      if (bytes > most) throw new Error(`the picture is larger than the ${most} bytes that are kept of all`);
      await writer.write([chunk]);
    }
    await writer.end();
  } finally {
    await handle.close();
  }
  return { hash: hash.digest("hex"), mediaType: sniff(Buffer.concat(head))?.mediaType ?? "application/octet-stream", bytes };
}
