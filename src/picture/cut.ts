// Finds pictures that end too early while they pass through: each format states a length, or has a mark at its end.
const windowBytes = 16;

/** Last part of a picture that is searched for the end mark of its format, in bytes: some programs write padding behind the mark. */
export const tailBytes = 8 * 1024;

/** Thrown for a picture whose bytes end before its format's end. */
export class CutPicture extends Error {
  constructor() {
    super("the provider's picture is cut: its end is missing");
    this.name = "CutPicture";
  }
}

/** Looks at a few bytes of a picture that passes through: the places where its parts state their lengths, and its last bytes. */
interface Watch {
  see(chunk: Buffer): void;
  /** To be called after the last chunk. False for bytes that are not a known picture, or whose structure is not understood. */
  isCut(): boolean;
}

/** The form of the chunks: raw bytes, or standard base64. Of base64 only the places that are looked at are decoded. */
export type Spelling = "bytes" | "base64";

/** Passes a picture on. Throws `CutPicture` at the end of a picture that is cut. */
export async function* untilItsEnd(chunks: AsyncIterable<Buffer>, spelling: Spelling): AsyncGenerator<Buffer> {
  const watch = createWatch(spelling);
  for await (const chunk of chunks) {
    watch.see(chunk);
    yield chunk;
  }
  if (watch.isCut()) throw new CutPicture();
}

/** True for a picture, held in memory, that is cut. */
export function isCut(picture: Buffer, spelling: Spelling): boolean {
  const watch = createWatch(spelling);
  watch.see(picture);
  return watch.isCut();
}

function createWatch(spelling: Spelling): Watch {
  const coded = spelling === "base64";
  const decode = (text: Buffer): Buffer => (coded ? Buffer.from(text.toString("latin1"), "base64") : text);
  // Four characters encode three bytes. One group is added, since the window may begin within a group.
  const width = coded ? (Math.ceil(windowBytes / 3) + 1) * 4 : windowBytes;
  const place = (byte: number) => (coded ? Math.floor(byte / 3) * 4 : byte);
  let format: Format | undefined;
  let at: number | undefined = 0; // The byte at which the next window begins; undefined when no more windows are needed.
  let window: Buffer = Buffer.alloc(0);
  let tail: Buffer = Buffer.alloc(0);
  let seen = 0;

  const look = () => {
    if (at === undefined) return;
    const bytes = decode(window).subarray(coded ? at % 3 : 0);
    window = Buffer.alloc(0);
    format ??= formatOf(bytes);
    at = format?.next(bytes, at);
  };

  return {
    see: (chunk) => {
      while (at !== undefined) {
        const from = place(at) + window.length - seen;
        if (from >= chunk.length) break;
        const piece = chunk.subarray(from, from + width - window.length);
        window = window.length > 0 ? Buffer.concat([window, piece]) : piece;
        if (window.length < width) break;
        look();
      }
      seen += chunk.length;
      const kept = format && at !== undefined ? 4 : tailBytes; // A format that is still followed part by part needs only base64's padding.
      tail = chunk.length < kept ? Buffer.concat([tail, chunk]).subarray(-kept) : chunk.subarray(-kept);
    },
    isCut: () => {
      if (window.length > 0) look();
      const equals = coded ? (/=*$/.exec(tail.toString("latin1").slice(-2))?.[0].length ?? 0) : 0;
      const size = coded ? Math.floor(((seen - equals) * 3) / 4) : seen;
      // Decoding must start at the beginning of a group of four characters.
      return format?.isCut(size, decode(tail.subarray(coded ? (4 - ((seen - tail.length) % 4)) % 4 : 0))) ?? false;
    },
  };
}

interface Format {
  /** Reads the window that begins at byte `at`, and returns the byte at which the next one begins; undefined if none is needed. */
  next(window: Buffer, at: number): number | undefined;
  isCut(size: number, tail: Buffer): boolean;
}

function formatOf(head: Buffer): Format | undefined {
  const text = (start: number, end: number) => head.toString("latin1", start, end);
  if (text(0, 8) === "\x89PNG\r\n\x1a\n") return png();
  if (text(0, 3) === "\xff\xd8\xff") return { next: () => undefined, isCut: (_size, tail) => !tail.includes(endOfJpeg) };
  if (text(0, 4) === "RIFF" && text(8, 12) === "WEBP" && head.length >= 8) {
    const end = 8 + head.readUInt32LE(4);
    return { next: () => undefined, isCut: (size) => size < end };
  }
  if (/^GIF8[79]a$/.test(text(0, 6))) return { next: () => undefined, isCut: (_size, tail) => !/;[\0\s]*$/.test(tail.toString("latin1")) };
  if (text(4, 8) === "ftyp") return boxes();
  if (/^(?:\xef\xbb\xbf)?\s*<(?:svg|\?xml|!--|!DOC)/.test(text(0, windowBytes)))
    return { next: () => undefined, isCut: (_size, tail) => !/<\/svg\s*>/.test(tail.toString("latin1")) };
  return undefined;
}

const endOfJpeg = Buffer.from([0xff, 0xd9]);

/** PNG: follows the chunks by their lengths up to IEND. */
function png(): Format {
  let end: number | undefined = 8;
  let ended = false;
  return {
    next: (window, at) => {
      if (at === 0) return 8;
      end = at + 12;
      if (window.length < 8) return undefined;
      const type = window.toString("latin1", 4, 8);
      ended = type === "IEND";
      end = /^[A-Za-z]{4}$/.test(type) ? at + 12 + window.readUInt32BE(0) : undefined;
      return ended ? undefined : end;
    },
    isCut: (size) => end !== undefined && (ended ? size < end : size <= end),
  };
}

/** AVIF: follows the boxes by their lengths. */
function boxes(): Format {
  let end: number | undefined = 0;
  return {
    next: (window, at) => {
      end = undefined;
      if (window.length < 8 || !/^[ -~]{4}$/.test(window.toString("latin1", 4, 8))) return undefined;
      const size = window.readUInt32BE(0);
      if (size === 1 && window.length >= 16) end = at + Number(window.readBigUInt64BE(8));
      else if (size >= 8) end = at + size;
      return end;
    },
    isCut: (size) => end !== undefined && size < end,
  };
}
