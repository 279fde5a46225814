import { buffer } from "node:stream/consumers";
import { chunksOf, type LocalData } from "../../src/picture/convert.ts";
import type { PictureData } from "../../src/picture/picture.ts";

/** All bytes of a picture that is here. */
export function bytesOf(data: PictureData): Promise<Buffer> {
  return buffer(chunksOf(data as LocalData));
}
