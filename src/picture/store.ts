// Says what a store of pictures does, wherever it keeps them.
import type { Readable } from "node:stream";
import { GatewayError } from "../errors.ts";
import { chunksOf, headOf, type LocalData } from "./convert.ts";
import type { DiskState } from "./disk.ts";
import { untilRoom } from "./keep.ts";
import type { Picture, PictureData } from "./picture.ts";
import { sniff } from "./sniff.ts";

/** A kept picture. `expires` is in epoch milliseconds; `etag` is its SHA-256, quoted as HTTP wants it. */
export interface StoredPicture {
  id: string;
  mediaType: string;
  bytes: number;
  expires: number;
  etag: string;
}

/** True for a text that can be the id of a stored picture, in whatever store. */
export function isStoredId(text: string): boolean {
  return /^[\w-]{32}$/.test(text);
}

/** The first and the last of the bytes that are wanted, counted from 0. */
export interface ByteRange {
  start: number;
  end: number;
}

/** Pictures that are kept, each save under an id of its own that cannot be guessed, each until its life (seconds) is over. */
export interface PictureStore {
  /**
   * Keeps a picture whole or not at all; rejects with the source's own error, or with `NotStored` where the store does not take it or the
   * quota is smaller than the picture. What was kept under the `id` before, where one is given, is replaced;
   * it begins as that of a picture which lives as long.
   */
  save(chunks: AsyncIterable<Buffer>, life?: number, id?: string): Promise<StoredPicture>;
  /** For any id this reads nothing outside of the store; undefined after the picture's life. Rejects with `StoreAway`. */
  find(id: string): Promise<StoredPicture | undefined>;
  /** The picture's bytes, or a range of them. Rejects with a `GatewayError` where they are gone or out of reach; the stream must be read or destroyed. */
  read(picture: StoredPicture, range?: ByteRange): Promise<Readable>;
  /** The picture as data that can be read as often as needed; undefined where it is gone. */
  data(picture: StoredPicture): Promise<StoredData | undefined>;
  /** A URL at which the store itself serves the picture for some minutes, where the operator wants that. */
  link?(picture: StoredPicture): string | undefined;
  /** Removes what has expired or was left behind; resolves with the number of files removed. */
  sweep(): Promise<number>;
  /** The state of the store: writable or not, and the room on the disk. Never rejects. */
  disk(): Promise<DiskState>;
  /** Resolves when what was too much has been removed. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** A stored picture's bytes, from where they are kept. */
export type StoredData = Extract<PictureData, { kind: "file" | "kept" }>;

/** The client's error for a picture that is not there. */
export function noPicture(cause?: unknown): GatewayError {
  return new GatewayError("not_found", "there is no such picture, or its life is over", { cause });
}

/** The store is full, read-only or gone, or the picture larger than all that may be kept. The picture itself is no worse for it. */
export class NotStored extends GatewayError {
  /** True where the store is only away, and may take the picture in a moment. */
  readonly passes: boolean;

  constructor(cause: unknown) {
    super("insufficient_storage", "the gateway cannot store pictures at the moment; try again later, or ask for b64_json", {
      retryAfter: untilRoom,
      cause,
    });
    this.passes = cause instanceof Error && "passes" in cause && cause.passes === true;
  }
}

/** The store cannot be reached at the moment; what is kept there is as it was. */
export class StoreAway extends GatewayError {
  constructor(cause: unknown) {
    super("store_unavailable", "the gateway cannot reach its stored pictures at the moment; try again later", { retryAfter: 5, cause });
  }
}

/** The picture under the URL that `save` gives its bytes. Rejects as `save` does; a stream is read or ended all the same. */
export async function storePicture(
  picture: Picture,
  data: LocalData,
  save: (chunks: AsyncIterable<Buffer>) => Promise<{ url: string; mediaType: string; bytes?: number }>,
): Promise<Picture> {
  try {
    const { url, mediaType, bytes } = await save(chunksOf(data));
    return { ...picture, ...sniff(headOf(data)), mediaType, data: { kind: "url", url, own: true, bytes } };
  } finally {
    // It is unread where storing could not even begin.
    if (data.kind === "stream") data.stream.destroy();
  }
}
