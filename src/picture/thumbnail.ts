// Makes thumbnails of stored pictures, and keeps them in the same store.
import { createHash } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { chunksOf } from "./convert.ts";
import { isBomb, loadSharp, pixelLimit, pixelWork, untrusted } from "./pixels.ts";
import { NotStored, type PictureStore, type StoredPicture } from "./store.ts";

/** Pixels of the longer side of a thumbnail: twice what a gallery shows, for dense screens. */
export const thumbnailSide = 320;

/** Bytes up to which a picture is its own thumbnail: a scaled one would hardly have fewer. */
export const smallEnough = 16 * 1024;

/** Thumbnails that are being made, by the ids of their pictures. */
const underWay = new Map<string, Promise<StoredPicture>>();

/** The id of a picture's thumbnail: it begins like the picture's id, and is as hard to guess. */
function idOf(id: string): string {
  return id.slice(0, 8) + createHash("sha256").update(`thumbnail ${thumbnailSide} ${id}`).digest("base64url").slice(0, 24);
}

/**
 * The thumbnail of a stored picture: a WebP that is kept for as long as the picture. A picture that is small, an SVG or cannot be decoded is its own
 * thumbnail. Rejects with a `GatewayError` while too many pictures wait for pixel work.
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
  // The picture is read again when its turn comes, so that it holds no memory while it waits.
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
