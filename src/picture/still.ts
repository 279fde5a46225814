// Converts a client's image into a still PNG, which providers take.
import { chunksOf } from "./convert.ts";
import { damaged, headed } from "./decode.ts";
import type { InputImage } from "./input.ts";
import { pixelWork } from "./pixels.ts";
import type { SpoolScope } from "./spool.ts";
import type { Trace } from "../trace.ts";

export interface Still {
  image: InputImage;
  /** The text of the reported change: `gif converted to png (first frame of 12)`. */
  what: string;
}

// Each image is converted once, for all attempts of its request. The spool keeps the result for just as long.
const made = new WeakMap<InputImage, Still>();

/**
 * An image as a PNG: its first frame, turned upright, in sRGB, without metadata. It is decoded in the queue for pixel work.
 * Rejects with a 400 for an image that cannot be decoded, or with the signal's reason.
 */
export async function toStill(
  image: InputImage,
  { spool, signal, trace }: { spool: Pick<SpoolScope, "take">; signal: AbortSignal; trace?: Trace },
): Promise<Still> {
  const known = made.get(image);
  if (known) return known;
  const { open, header } = await headed(image);
  const png = () => open().autoOrient().png().toBuffer({ resolveWithObject: true }).catch(damaged(image));
  const { data, info } = await pixelWork.take(header.width * header.height, signal, png, { trace });
  const kept = await spool.take(chunksOf({ kind: "bytes", bytes: data }), Infinity);
  const name = image.name.replace(/(\.\w+)?$/, ".png");
  const own = image.type?.replace("image/", "") ?? "image";
  const { pages = 1 } = header;
  const first = pages > 1 ? ` (first ${own === "tiff" ? "page" : "frame"} of ${pages})` : "";
  const still = {
    image: image.with({ data: kept, name, type: "image/png", width: info.width, height: info.height }),
    what: `${own} converted to png${first}`,
  };
  made.set(image, still);
  return still;
}
