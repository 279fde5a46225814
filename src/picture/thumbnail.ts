// Makes small pictures of stored ones, and keeps them beside those.
import { createHash } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { chunksOf } from "./convert.ts";
import { isBomb, loadSharp, pixelLimit, pixelWork, untrusted } from "./pixels.ts";
import { NotStored, type PictureStore, type StoredPicture } from "./store.ts";

/** Pixels of the longer side of a thumbnail: twice what a gallery shows, for dense screens. */
export const thumbnailSide = 320;

/** Bytes of a picture up to which it is its own thumbnail: a small one would hardly have fewer. */
export const smallEnough = 16 * 1024;

/** Thumbnails that are being made, by the ids of their pictures. */
const underWay = new Map<string, Promise<StoredPicture>>();

/** The id under which a picture's thumbnail is kept: it begins as the picture's own, and is as hard to guess. */
function idOf(id: string): string {
  return id.slice(0, 8) + createHash("sha256").update(`thumbnail ${thumbnailSide} ${id}`).digest("base64url").slice(0, 24);
}

/**
 * The thumbnail of a stored picture: a WebP that is kept for as long as the picture. A picture that is small, is a drawing or cannot be decoded is its
 * own. Rejects with a `GatewayError` while too many pictures wait to be worked on.
 */
export async function thumbnailOf(store: PictureStore, picture: StoredPicture): Promise<StoredPicture> {
  if (picture.bytes <= smallEnough || picture.mediaType === "image/svg+xml") return picture;
  const found = await store.find(idOf(picture.id));
  if (found) return found;
  const making = underWay.get(picture.id) ?? make(store, picture).finally(() => underWay.delete(picture.id));
  underWay.set(picture.id, making);
  return making;
}

async function make(store: PictureStore, picture: StoredPicture): Promise<StoredPicture> {
  const { id, bytes, expires } = picture;
  const data = await store.data(picture);
  if (!data) return picture;
  const sharp = await loadSharp();
  // The library reads nothing before it has all of it.
  const source = async () => (data.kind === "file" ? data.path : buffer(chunksOf(data)));
  const header = await sharp(await source(), { ...untrusted, limitInputPixels: false })
    .metadata()
    .catch(() => undefined);
  const pixels = header && header.width * header.height;
  if (pixels === undefined || pixels > pixelLimit || isBomb(pixels, bytes)) return picture;
  // Read once more, when its turn comes: what waits holds no memory.
  const shrink = async () =>
    sharp(await source(), untrusted)
      .autoOrient()
      .resize({ width: thumbnailSide, height: thumbnailSide, fit: "inside", withoutEnlargement: true })
      .webp({ quality: 75, effort: 3 })
      .toBuffer()
      .catch(() => undefined);
  const small = await pixelWork.take(pixels, new AbortController().signal, shrink);
  if (!small) return picture;
  try {
    return await store.save(chunksOf({ kind: "bytes", bytes: small }), Math.max(1, (expires - Date.now()) / 1000), idOf(id));
  } catch (error) {
    if (error instanceof NotStored) return picture;
    throw error;
  }
}
