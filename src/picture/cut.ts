// Finds pictures that end too early while they pass: the formats say how long they are, or how they end.
const windowBytes = 16;

/** End of a picture that is searched for the mark that ends it, in bytes: some programs write padding behind it. */
export const tailBytes = 8 * 1024;

/** A picture's own end was not among its bytes. */
export class CutPicture extends Error {
  constructor() {
    super("the provider's picture is cut: its end is missing");
    this.name = "CutPicture";
  }
}

/** Looks at a few bytes of a picture that passes: at where each part of it says how long it is, and at the last ones. */
interface Watch {
  see(chunk: Buffer): void;
  /** Asked when all has been seen. What is no picture, or has an odd shape, is not judged. */
  isCut(): boolean;
}

/** The bytes as they are, or as standard base64 of which only what is looked at is decoded. */
export type Spelling = "bytes" | "base64";

/** Pass a picture on. Throws `CutPicture` at the end of one that is cut. */
export async function* untilItsEnd(chunks: AsyncIterable<Buffer>, spelling: Spelling): AsyncGenerator<Buffer> {
  const watch = createWatch(spelling);
  for await (const chunk of chunks) {
    watch.see(chunk);
    yield chunk;
  }
  if (watch.isCut()) throw new CutPicture();
}

/** The same for one that is here. */
export function isCut(picture: Buffer, spelling: Spelling): boolean {
  const watch = createWatch(spelling);
  watch.see(picture);
  return watch.isCut();
}

function createWatch(spelling: Spelling): Watch {
  const coded = spelling === "base64";
  const decode = (text: Buffer): Buffer => (coded ? Buffer.from(text.toString("latin1"), "base64") : text);
  // Four characters are three bytes; two groups more than the window needs, since it may begin within one.
  const width = coded ? (Math.ceil(windowBytes / 3) + 1) * 4 : windowBytes;
  const place = (byte: number) => (coded ? Math.floor(byte / 3) * 4 : byte);
  let format: Format | undefined;
  let at: number | undefined = 0; // The byte that the next window begins with; undefined when no more is to be looked at.
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
      const kept = format && at !== undefined ? 4 : tailBytes; // A part that is walked through needs no more than the padding.
      tail = chunk.length < kept ? Buffer.concat([tail, chunk]).subarray(-kept) : chunk.subarray(-kept);
    },
    isCut: () => {
      if (window.length > 0) look();
      const equals = coded ? (/=*$/.exec(tail.toString("latin1").slice(-2))?.[0].length ?? 0) : 0;
      const size = coded ? Math.floor(((seen - equals) * 3) / 4) : seen;
      // A group of four characters cannot be entered in its middle.
      return format?.isCut(size, decode(tail.subarray(coded ? (4 - ((seen - tail.length) % 4)) % 4 : 0))) ?? false;
    },
  };
}

interface Format {
  /** The beginning of the next window, after the one that begins at byte `at`; undefined where none is needed. */
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

/** Chunk after chunk, each with its length, up to the one that ends it. */
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

/** Box after box, each with its length. */
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
