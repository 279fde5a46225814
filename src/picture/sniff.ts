// Reads a picture's type and size from its first bytes.
/** Facts in a picture's first bytes. Sizes are in pixels, as stored (an orientation tag is not applied). */
export interface Sniffed {
  mediaType: "image/png" | "image/jpeg" | "image/webp" | "image/gif" | "image/avif" | "image/svg+xml";
  width?: number;
  height?: number;
}

/** An input image may also be of a type that is only ever converted; it is never a drawing. */
export interface SniffedInput extends Omit<Sniffed, "mediaType"> {
  mediaType: Exclude<Sniffed["mediaType"], typeof drawing> | "image/tiff" | "image/heic";
}

/** How many of a picture's first bytes are worth giving to `sniff`: a JPEG's size may stand behind a long preview. */
export const sniffBytes = 64 * 1024;

const drawing = "image/svg+xml";

// Comments and the like may stand before the root element of an SVG. Of other XML, and of a page that holds a drawing, the root is another.
const svgRoot = /^(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*|<!--(?:(?!-->)[^])*-->\s*|<!DOCTYPE svg\b[^>[]*(?:\[[^\]]*\]\s*)?>\s*)*<svg[\s/>]/;

interface PixelSize {
  width: number;
  height: number;
}

/** The media type by magic number, and the pixel size where the head reaches that far; undefined for anything but the six formats. An SVG has no size in pixels. */
export function sniff(head: Buffer): Sniffed | undefined {
  const text = (start: number, end: number) => head.toString("latin1", start, end);
  if (text(0, 8) === "\x89PNG\r\n\x1a\n") return found("image/png", pngSize(head));
  if (text(0, 3) === "\xff\xd8\xff") return found("image/jpeg", jpegSize(head));
  if (text(0, 4) === "RIFF" && text(8, 12) === "WEBP") return found("image/webp", webpSize(head));
  if (/^GIF8[79]a$/.test(text(0, 6))) return found("image/gif", gifSize(head));
  if (text(4, 8) === "ftyp" && hasBrand(head, /^avi[fs]$/)) return found("image/avif", heifSize(head));
  return /^(?:\xef\xbb\xbf)?\s*</.test(text(0, 64)) && svgRoot.test(text(0, sniffBytes)) ? { mediaType: drawing } : undefined;
}

/** The name of a format, as `output_format` has it, of its media type: `svg` of image/svg+xml. */
export function formatName(mediaType: string): string {
  return mediaType.replace(/^image\/|\+xml$/g, "");
}

/** The same for what a client sends, which may also be a TIFF or a HEIC, and is never an SVG. */
export function sniffInput(head: Buffer): SniffedInput | undefined {
  const text = (start: number, end: number) => head.toString("latin1", start, end);
  if (text(0, 4) === "II*\0" || text(0, 4) === "MM\0*") return found("image/tiff", tiffSize(head));
  const { mediaType, ...size } = sniff(head) ?? {};
  if (mediaType !== undefined) return mediaType === drawing ? undefined : { mediaType, ...size };
  return text(4, 8) === "ftyp" && hasBrand(head, /^(?:hei[cmsx]|hev[cmsx])$/) ? found("image/heic", heifSize(head)) : undefined;
}

function found<Type>(mediaType: Type, size: PixelSize | undefined): { mediaType: Type } & Partial<PixelSize> {
  return size !== undefined && size.width > 0 && size.height > 0 ? { mediaType, ...size } : { mediaType };
}

function pngSize(head: Buffer): PixelSize | undefined {
  if (head.length < 24 || head.toString("latin1", 12, 16) !== "IHDR") return undefined;
  return { width: head.readUInt32BE(16), height: head.readUInt32BE(20) };
}

function gifSize(head: Buffer): PixelSize | undefined {
  return head.length < 10 ? undefined : { width: head.readUInt16LE(6), height: head.readUInt16LE(8) };
}

/** Walks from segment to segment up to the frame header; what comes after the start of the scan is pixels. */
function jpegSize(head: Buffer): PixelSize | undefined {
  let at = 2;
  while (at + 9 <= head.length && head[at] === 0xff) {
    const marker = head.readUInt8(at + 1);
    if (marker === 0xff) {
      at += 1; // A marker may be preceded by any number of fill bytes.
      continue;
    }
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      return { width: head.readUInt16BE(at + 7), height: head.readUInt16BE(at + 5) };
    }
    if (marker === 0xda) return undefined;
    at += 2 + head.readUInt16BE(at + 2);
  }
  return undefined;
}

function webpSize(head: Buffer): PixelSize | undefined {
  if (head.length < 30) return undefined;
  switch (head.toString("latin1", 12, 16)) {
    case "VP8 ": // The two upper bits of each are a scaling hint.
      return { width: head.readUInt16LE(26) & 0x3fff, height: head.readUInt16LE(28) & 0x3fff };
    case "VP8L": {
      const bits = head.readUInt32LE(21);
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    }
    case "VP8X":
      return { width: head.readUIntLE(24, 3) + 1, height: head.readUIntLE(27, 3) + 1 };
    default:
      return undefined;
  }
}

/** The file type box lists a major brand, a version and the compatible brands, four bytes each. */
function hasBrand(head: Buffer, brand: RegExp): boolean {
  const end = Math.min(head.length, head.readUInt32BE(0));
  for (let at = 8; at + 4 <= end; at += 4) {
    if (brand.test(head.toString("latin1", at, at + 4))) return true;
  }
  return false;
}

/** The largest image extent: thumbnails and the tiles of a grid have extents of their own. */
function heifSize(head: Buffer): PixelSize | undefined {
  let largest: PixelSize | undefined;
  for (let at = head.indexOf("ispe"); at !== -1 && at + 16 <= head.length; at = head.indexOf("ispe", at + 4)) {
    const size = { width: head.readUInt32BE(at + 8), height: head.readUInt32BE(at + 12) };
    if (head.readUInt32BE(at - 4) === 20 && size.width * size.height > (largest?.width ?? 0) * (largest?.height ?? 0)) largest = size;
  }
  return largest;
}

/** Width and height stand in the first directory, which most programs write behind the pixels, and so often beyond the head. */
function tiffSize(head: Buffer): PixelSize | undefined {
  const little = head[0] === 0x49;
  const number = (at: number, bytes: 2 | 4) => (little ? head.readUIntLE(at, bytes) : head.readUIntBE(at, bytes));
  const directory = head.length < 8 ? Infinity : number(4, 4);
  if (directory + 2 > head.length) return undefined;
  const size: PixelSize = { width: 0, height: 0 };
  const end = directory + 2 + 12 * number(directory, 2);
  for (let at = directory + 2; at < end && at + 12 <= head.length; at += 12) {
    const side = ({ 256: "width", 257: "height" } as const)[number(at, 2)];
    // The number is a short or a long.
    if (side) size[side] = number(at + 8, number(at + 2, 2) === 3 ? 2 : 4);
  }
  return size;
}

/** The same bytes, whose first chunk is the whole head: `sniffBytes` of them, or all there are. */
export async function* headFirst(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer[] | undefined = [];
  let length = 0;
  for await (const chunk of chunks) {
    if (held === undefined) {
      yield chunk;
      continue;
    }
    held.push(chunk);
    length += chunk.length;
    if (length < sniffBytes) continue;
    const first = Buffer.concat(held);
    held = undefined;
    yield first.subarray(0, sniffBytes);
    if (length > sniffBytes) yield first.subarray(sniffBytes);
  }
  if (held !== undefined) yield Buffer.concat(held);
}

/** The first chunks as one: `least` bytes or more, or all there are. The chunks go on behind them. */
export async function readHead(chunks: AsyncIterator<Buffer>, least = sniffBytes): Promise<Buffer> {
  const held: Buffer[] = [];
  for (let length = 0; length < least;) {
    const next = await chunks.next();
    if (next.done) break;
    held.push(next.value);
    length += next.value.length;
  }
  return Buffer.concat(held);
}
