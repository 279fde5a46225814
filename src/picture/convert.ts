// Turns pictures from one form into another: bytes, base64, files, streams.
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { decodeBase64, decodedLength, decodeHead, encodeBase64 } from "./base64.ts";
import type { PictureData } from "./picture.ts";

/** A picture whose bytes this process has, or is receiving. */
export type LocalData = Exclude<PictureData, { kind: "url" }>;

// A multiple of four base64 characters, so that it decodes to whole bytes; small enough not to block the event loop.
const slice = 256 * 1024;

/** The raw bytes of a picture. A stream can be read once, everything else as often as needed while its request lives. */
export async function* chunksOf(data: LocalData): AsyncGenerator<Buffer> {
  switch (data.kind) {
    case "bytes":
      yield data.bytes;
      return;
    case "base64":
      for (let at = 0; at < data.ascii.length; at += slice) yield decodeBase64(data.ascii.subarray(at, at + slice));
      return;
    case "file":
      for await (const chunk of createReadStream(data.path, { highWaterMark: slice })) yield chunk as Buffer;
      return;
    case "kept":
      yield* data.chunks();
      return;
    case "stream":
      yield data.head;
      for await (const chunk of data.stream) yield chunk as Buffer;
  }
}

/** The picture as base64, in ASCII. A picture that is base64 already is not changed. */
export function base64Of(data: LocalData): AsyncIterable<Buffer> {
  if (data.kind === "base64") return Readable.from([data.ascii]);
  return (data.kind === "stream" && data.ascii) || encodeBase64(chunksOf(data));
}

/** The size of the decoded picture, in bytes. */
export function sizeOf(data: Exclude<LocalData, { kind: "stream" }>): number {
  if (data.kind === "base64") return decodedLength(data.ascii);
  return data.kind === "bytes" ? data.bytes.length : data.size;
}

/** The number of characters that `base64Of` will yield, if it is known beforehand. */
export function base64Length(data: LocalData): number | undefined {
  if (data.kind === "base64") return data.ascii.length;
  const bytes = data.kind === "bytes" ? data.bytes.length : data.size;
  return bytes === undefined ? undefined : 4 * Math.ceil(bytes / 3);
}

/** The first bytes, enough to recognise the picture's type. */
export function headOf(data: LocalData): Buffer {
  if (data.kind === "base64") return decodeHead(data.ascii);
  return data.kind === "bytes" ? data.bytes : data.head;
}
