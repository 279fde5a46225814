// Declares what a store of pictures does, in a folder or in S3.
import type { Readable } from "node:stream";
import { GatewayError } from "../errors.ts";
import { chunksOf, headOf, type LocalData } from "./convert.ts";
import type { DiskState } from "./disk.ts";
import { untilRoom } from "./keep.ts";
import type { Picture, PictureData } from "./picture.ts";
import { sniff } from "./sniff.ts";

/** A stored picture. `expires` is in epoch milliseconds; `etag` is its SHA-256 in the quotes that HTTP requires. */
export interface StoredPicture {
  id: string;
  mediaType: string;
  bytes: number;
  expires: number;
  etag: string;
}

/** True for a text that can be the id of a stored picture, in any store. */
export function isStoredId(text: string): boolean {
  return /^[\w-]{32}$/.test(text);
}

/** The first and the last byte of a range, inclusive, counted from 0. */
export interface ByteRange {
  start: number;
  end: number;
}

/** A store of pictures. Each save gets an id of its own that cannot be guessed, and is kept for its life (in seconds). */
export interface PictureStore {
  /**
   * Stores a picture completely or not at all. Rejects with the source's own error, or with `NotStored` if the store does not take it or the picture
   * is larger than the quota. With an `id`, the picture stored under it before is replaced; that id must begin like the id of a picture with the
   * same expiry.
   */
  save(chunks: AsyncIterable<Buffer>, life?: number, id?: string): Promise<StoredPicture>;
  /** Finds a picture; undefined after its life is over. No id makes it read anything outside of the store. Rejects with `StoreAway`. */
  find(id: string): Promise<StoredPicture | undefined>;
  /**
   * The picture's bytes, or a range of them. The stream must be read or destroyed. Rejects with a `GatewayError` if they are gone or out of
   * reach.
   */
  read(picture: StoredPicture, range?: ByteRange): Promise<Readable>;
  /** The picture as data that can be read any number of times; undefined if it is gone. */
  data(picture: StoredPicture): Promise<StoredData | undefined>;
  /** A URL at which the store itself serves the picture for some minutes; absent unless the operator has switched that on. */
  link?(picture: StoredPicture): string | undefined;
  /** Removes expired pictures and files left behind; resolves with the number of files removed. */
  sweep(): Promise<number>;
  /** The state of the store: writable or not, and the room on the disk. Never rejects. */
  disk(): Promise<DiskState>;
  /** Resolves when no removal of pictures beyond the quota is under way. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** The data of a stored picture, read from the place where it is kept. */
export type StoredData = Extract<PictureData, { kind: "file" | "kept" }>;

/** The client's error for a picture that is not there. */
export function noPicture(cause?: unknown): GatewayError {
  return new GatewayError("not_found", "there is no such picture, or its life is over", { cause });
}

/** Thrown when the store is full, read-only or gone, or the picture is larger than the quota. The picture itself is not damaged. */
export class NotStored extends GatewayError {
  /** True if the store is only unreachable at the moment, and may take the picture later. */
  readonly passes: boolean;

  constructor(cause: unknown) {
    super("insufficient_storage", "the gateway cannot store pictures at the moment; try again later, or ask for b64_json", {
      retryAfter: untilRoom,
      cause,
    });
    this.passes = cause instanceof Error && "passes" in cause && cause.passes === true;
  }
}

/** Thrown when the store cannot be reached at the moment. The pictures in it are not affected. */
export class StoreAway extends GatewayError {
  constructor(cause: unknown) {
    super("store_unavailable", "the gateway cannot reach its stored pictures at the moment; try again later", { retryAfter: 5, cause });
  }
}

/** Stores a picture with `save`, and returns it as the URL that `save` gives. Rejects as `save` does; a stream is read or destroyed in any case. */
export async function storePicture(
  picture: Picture,
  data: LocalData,
  save: (chunks: AsyncIterable<Buffer>) => Promise<{ url: string; mediaType: string; bytes?: number }>,
): Promise<Picture> {
  try {
    const { url, mediaType, bytes } = await save(chunksOf(data));
    return { ...picture, ...sniff(headOf(data)), mediaType, data: { kind: "url", url, own: true, bytes } };
  } finally {
    // The stream is still unread if storing failed before it began.
    if (data.kind === "stream") data.stream.destroy();
  }
}
