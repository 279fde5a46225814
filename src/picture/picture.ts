// Describes a picture: where its bytes are and what is known of it.
import type { Readable } from "node:stream";

/**
 * An image value. `data` says where its bytes are now; nothing is copied before a step asks for another form.
 * Base64 is kept as the ASCII bytes it arrived as, never as a string, so that it need not pass through the JSON heap.
 */
export interface Picture {
  data: PictureData;
  /** The provider's claim, until `inspect` or a conversion looked at the bytes. */
  mediaType?: string;
  width?: number;
  height?: number;
  revisedPrompt?: string;
  /** The provider's words about this picture alone, such as its seed. */
  metadata?: Record<string, unknown>;
  /** The end of its URL, in milliseconds since 1970, where the provider says one. */
  expires?: number;
  /** It came as a URL and became bytes on the way; where the client left the choice it goes out as a URL again. */
  cameAsUrl?: true;
}

export type PictureData =
  /** `own` is a URL of our own store, which is never fetched; one that is `secret` shows the channel's key, and no client gets it. `bytes` where it was stored. */
  | { kind: "url"; url: string; own?: true; secret?: true; bytes?: number }
  | { kind: "base64"; ascii: Buffer }
  | { kind: "bytes"; bytes: Buffer }
  /** Raw image bytes on disk, `size` of them; the file goes away with its request. `head` holds the first of them. */
  | { kind: "file"; path: string; size: number; head: Buffer }
  /** Raw image bytes in a store, `size` of them, which are read from there each time. `head` holds the first of them. */
  | { kind: "kept"; size: number; head: Buffer; chunks: () => AsyncIterable<Buffer> }
  /**
   * Raw image bytes, arriving. `head` holds the first of them, already checked to be an image; `stream` yields the rest.
   * A picture that arrives as base64 may be read as that instead: `ascii` yields the whole of it.
   */
  | { kind: "stream"; head: Buffer; stream: Readable; size?: number; ascii?: AsyncIterable<Buffer> };
