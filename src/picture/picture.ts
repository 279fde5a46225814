// Describes a picture: the place of its bytes and the facts known about it.
import type { Readable } from "node:stream";

/**
 * A picture. `data` says where its bytes are now; nothing is copied before a step needs another form.
 * Base64 is kept as the ASCII bytes in which it arrived, never as a string, so that it takes no room in the JavaScript heap.
 */
export interface Picture {
  data: PictureData;
  /** The provider's claim, until `inspect` or a conversion looked at the bytes. */
  mediaType?: string;
  width?: number;
  height?: number;
  revisedPrompt?: string;
  /** Facts that the provider gives about this picture alone, such as its seed. */
  metadata?: Record<string, unknown>;
  /** The time at which its URL expires, in epoch milliseconds, if the provider states one. */
  expires?: number;
  /** Set if it came as a URL and was turned into bytes: a client that did not choose a response format then gets a URL again. */
  cameAsUrl?: true;
}

export type PictureData =
  /**
   * A URL. `own`: it is one of the gateway's own store, which is never fetched. `secret`: it shows the channel's key, and no client gets
   * it. `bytes`: the size of a stored picture.
   */
  | { kind: "url"; url: string; own?: true; secret?: true; bytes?: number }
  | { kind: "base64"; ascii: Buffer }
  | { kind: "bytes"; bytes: Buffer }
  /** Raw image bytes in a file of `size` bytes, which is removed when its request ends. `head` holds the first bytes. */
  | { kind: "file"; path: string; size: number; head: Buffer }
  /** Raw image bytes in a store, `size` of them, which are read from the store each time. `head` holds the first bytes. */
  | { kind: "kept"; size: number; head: Buffer; chunks: () => AsyncIterable<Buffer> }
  /**
   * Raw image bytes that are still arriving. `head` holds the first bytes, already checked to be an image; `stream` yields the rest.
   * A picture that arrives as base64 may be read as base64 instead of `stream`: `ascii` yields all of it.
   */
  | { kind: "stream"; head: Buffer; stream: Readable; size?: number; ascii?: AsyncIterable<Buffer> };
