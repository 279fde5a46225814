// Reads a picture's type and size from its first bytes.
/** Facts read from a picture's first bytes. Sizes are in pixels, as stored (an orientation tag is not applied). */
export interface Sniffed {
  mediaType: "image/png" | "image/jpeg" | "image/webp" | "image/gif" | "image/avif" | "image/svg+xml";
  width?: number;
  height?: number;
}

/** Facts of an input image. It may also be TIFF or HEIC, which the gateway converts before sending; it is never an SVG. */
export interface SniffedInput extends Omit<Sniffed, "mediaType"> {
  mediaType: Exclude<Sniffed["mediaType"], typeof drawing> | "image/tiff" | "image/heic";
}

/** First bytes of a picture that `sniff` needs at most: a JPEG's size may stand behind a long preview. */
export const sniffBytes = 64 * 1024;

const drawing = "image/svg+xml";

// An XML declaration, comments and a DOCTYPE may precede the root element. Other XML, and an HTML page that contains an SVG, has another root.
const svgRoot = /^(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*|<!--(?:(?!-->)[^])*-->\s*|<!DOCTYPE svg\b[^>[]*(?:\[[^\]]*\]\s*)?>\s*)*<svg[\s/>]/;

interface PixelSize {
  width: number;
  height: number;
}

/**
 * The media type by magic number, and the size in pixels if the head contains it; undefined for anything but the six formats. An SVG has no
 * such size.
 */
export function sniff(head: Buffer): Sniffed | undefined {
  const text = (start: number, end: number) => head.toString("latin1", start, end);
  if (text(0, 8) === "\x89PNG\r\n\x1a\n") return found("image/png", pngSize(head));
  if (text(0, 3) === "\xff\xd8\xff") return found("image/jpeg", jpegSize(head));
  if (text(0, 4) === "RIFF" && text(8, 12) === "WEBP") return found("image/webp", webpSize(head));
  if (/^GIF8[79]a$/.test(text(0, 6))) return found("image/gif", gifSize(head));
  if (text(4, 8) === "ftyp" && hasBrand(head, /^avi[fs]$/)) return found("image/avif", heifSize(head));
  return /^(?:\xef\xbb\xbf)?\s*</.test(text(0, 64)) && svgRoot.test(text(0, sniffBytes)) ? { mediaType: drawing } : undefined;
}

/** The format's name as used by `output_format`, from its media type: `svg` for image/svg+xml. */
export function formatName(mediaType: string): string {
  return mediaType.replace(/^image\/|\+xml$/g, "");
}

/** As `sniff`, for a client's image: it may also be TIFF or HEIC, and is never an SVG. */
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

/** Walks from segment to segment up to the frame header. Behind the start of the scan there are only pixels. */
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
    case "VP8 ": // The two upper bits of each number are a scaling hint.
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

/** True if the file type box lists the brand. The box holds a major brand, a version and the compatible brands, four bytes each. */
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

/** The size stands in the first directory. Most programs write it behind the pixels, often beyond the head; then undefined. */
function tiffSize(head: Buffer): PixelSize | undefined {
  const little = head[0] === 0x49;
  const number = (at: number, bytes: 2 | 4) => (little ? head.readUIntLE(at, bytes) : head.readUIntBE(at, bytes));
  const directory = head.length < 8 ? Infinity : number(4, 4);
  if (directory + 2 > head.length) return undefined;
  const size: PixelSize = { width: 0, height: 0 };
  const end = directory + 2 + 12 * number(directory, 2);
  for (let at = directory + 2; at < end && at + 12 <= head.length; at += 12) {
    const side = ({ 256: "width", 257: "height" } as const)[number(at, 2)];
    // Type 3 is a 16-bit number; otherwise it has 32 bits.
    if (side) size[side] = number(at + 8, number(at + 2, 2) === 3 ? 2 : 4);
  }
  return size;
}

/** The same bytes, cut so that the first chunk is the whole head: `sniffBytes` bytes, or all if there are fewer. */
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

/** Reads the first chunks as one buffer: at least `least` bytes, or all if there are fewer. `chunks` then yields the rest. */
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
