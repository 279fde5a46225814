// Reads a size as clients write it.
import { GatewayError } from "../errors.ts";

/** A client's `size`, parsed. `text` is its canonical spelling: `1024x768`, `16:9`, `2K`, `16:9(4K)` or `auto`. */
export interface Size {
  text: string;
  width?: number;
  height?: number;
  /** `16:9`, as the client said it, or reduced from the pixels. */
  ratio?: string;
  /** `2K`, or `512`, the one that counts pixels. */
  tier?: string;
}

const pixels = /^([1-9]\d{0,4})x([1-9]\d{0,4})$/;
const label = /^([1-9]\d{0,2}(?:\.\d)?):([1-9]\d{0,2}(?:\.\d)?)(?:\((.+)\))?$/;
const tier = /^(?:([1-9]\d?(?:\.5)?)k|512(?:px)?|0\.5k)$/;

/** Read a size as people write it: case, spaces, full-width characters, `×` and `*` are understood. Undefined if it is none. */
export function readSize(text: string): Size | undefined {
  const plain = text.normalize("NFKC").toLowerCase().replace(/\s/g, "").replace(/[×*]/g, "x");
  if (plain === "auto") return { text: "auto" };
  const byPixels = pixels.exec(plain);
  if (byPixels) return pixelSize(Number(byPixels[1]), Number(byPixels[2]));
  const alone = readTier(plain);
  if (alone !== undefined) return { text: alone, tier: alone };
  const [, width, height, name] = label.exec(plain) ?? [];
  if (width === undefined) return undefined;
  const ratio = `${width}:${height}`;
  if (name === undefined) return { text: ratio, ratio };
  const own = readTier(name);
  return own === undefined ? undefined : { text: `${ratio}(${own})`, ratio, tier: own };
}

/** `2K`; the tier below 1K is known by its pixels. */
function readTier(text: string): string | undefined {
  const found = tier.exec(text);
  return found ? (found[1] === undefined ? "512" : `${found[1]}K`) : undefined;
}

/** Like `readSize`, for a text that is not a size a 400. */
export function parseSize(text: string): Size {
  const size = readSize(text);
  if (size) return size;
  throw new GatewayError(
    "invalid_value",
    `size ${JSON.stringify(text.slice(0, 40))} is not a size; write 1024x1024, a ratio such as 16:9, a tier such as 2K, both as 16:9(4K), or auto`,
    { param: "size" },
  );
}

export function pixelSize(width: number, height: number): Size {
  const divisor = greatestCommonDivisor(width, height);
  return { text: `${width}x${height}`, width, height, ratio: `${width / divisor}:${height / divisor}` };
}

/** Width divided by height of `16:9`. */
export function ratioOf(ratio: string): number {
  const [width = 1, height = 1] = ratio.split(":").map(Number);
  return width / height;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
