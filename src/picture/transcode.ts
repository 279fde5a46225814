// Converts pictures into another file format.
import type { Metadata, Sharp, SharpOptions } from "sharp";
import { ProviderFailure } from "../errors.ts";
import { chunksOf, headOf, type LocalData } from "./convert.ts";
import { isBomb, loadSharp, notDecoded, pixelLimit, pixelWork, untrusted } from "./pixels.ts";
import { sniff } from "./sniff.ts";
import type { SpoolScope } from "./spool.ts";
import type { Trace } from "../trace.ts";

/** The formats that pictures can be converted to. */
export const encodings = ["png", "jpeg", "webp", "avif"] as const;

export interface Encoding {
  /** The picture's own format when omitted. */
  format?: (typeof encodings)[number];
  /** 1 to 100, for all but png; at 100 webp is lossless. */
  quality: number;
  /** 0 to 6, for webp and avif: more effort takes more time and gives fewer bytes. */
  effort: number;
  /** The background colour, as `#rrggbb`, for a picture that loses its transparency. */
  background: string;
  /** EXIF, XMP and the colour profile: kept as far as the format can, or removed. When removed, orientation and colours are applied to the pixels. */
  metadata: "keep" | "drop";
  /** Also encode a picture that already has the format, to apply `quality`. */
  anew: boolean;
}

export interface Transcoded {
  data: LocalData;
  /** True if the picture was converted; otherwise its bytes are unchanged. */
  converted: boolean;
  mediaType: string;
  width?: number;
  height?: number;
  /** Losses of the conversion: transparency; content credentials (C2PA), which are signed for the original bytes. */
  lost: { transparency?: boolean; credentials?: boolean };
}

// The beginning of a C2PA manifest store: a JUMBF description box of C2PA's type. Each format keeps it at another place.
const credentials = Buffer.from("jumdc2pa", "latin1");

/**
 * Converts a picture into the encoding `to`; one that has it already is returned unchanged. Only webp can be animated. Rejects with a
 * `ProviderFailure` for a picture that is broken, too large or cannot have this format, or with the signal's reason.
 */
export async function transcode(
  data: LocalData,
  to: Encoding,
  { spool, signal, trace }: { spool: Pick<SpoolScope, "take">; signal: AbortSignal; trace?: Trace },
): Promise<Transcoded> {
  const seen = sniff(headOf(data));
  if (!seen) throw notDecoded();
  const own = encodings.find((name) => `image/${name}` === seen.mediaType);
  const format = to.format ?? own;
  if (seen.mediaType === "image/svg+xml" && (to.format !== undefined || to.metadata === "drop"))
    throw new ProviderFailure("bad_response", "the picture that came back is an SVG, which is not converted");
  const asWanted = format === own && !(to.anew && format !== "png");
  // Without a format the picture is a GIF that should only lose its metadata, and a GIF holds none.
  if (!format || (asWanted && to.metadata === "keep")) return { ...seen, data, converted: false, lost: {} };

  const sharp = await loadSharp();
  // The library reads nothing before it has all of it.
  const whole = data.kind === "bytes" || data.kind === "file" ? data : await spool.take(chunksOf(data), Infinity);
  const open = (options: SharpOptions) => sharp(whole.kind === "file" ? whole.path : whole.bytes, options);
  // Only the header is read here, without a limit of pixels: `judge` has the clearer message for a picture that is too large.
  const header = await open({ ...untrusted, limitInputPixels: false })
    .metadata()
    .catch(failed);
  const credited = await holds(whole, credentials);
  if (asWanted && !credited && !header.exif && !header.xmp && !header.iptc && !header.comments)
    return { ...seen, data: whole, converted: false, lost: {} };
  if (isBomb(header.width * header.height, whole.kind === "file" ? whole.size : whole.bytes.length))
    throw new ProviderFailure("bad_response", "the picture that came back says that it has more pixels than its bytes can hold");
  const frames = judge(header, format);
  const work = async (): Promise<Transcoded> => {
    const transparency = format === "jpeg" && header.hasAlpha && !(await isOpaque(open(untrusted)));
    const image = open({ ...untrusted, animated: frames > 1 });
    if (transparency) image.flatten({ background: to.background });
    carryMetadata(image, to, header);
    const made = await encode(image, format, to).toBuffer({ resolveWithObject: true }).catch(failed);
    signal.throwIfAborted();
    const { width, height, pageHeight = height } = made.info;
    return {
      data: await spool.take(chunksOf({ kind: "bytes", bytes: made.data }), Infinity),
      converted: true,
      mediaType: `image/${format}`,
      width,
      height: pageHeight,
      lost: { transparency, credentials: credited },
    };
  };
  return pixelWork.take(header.width * header.height * frames, signal, work, { ordered: true, trace });
}

/** True if the bytes occur in the picture. */
async function holds(data: LocalData, bytes: Buffer): Promise<boolean> {
  let carry: Buffer = Buffer.alloc(0);
  for await (const chunk of chunksOf(data)) {
    const piece = carry.length === 0 ? chunk : Buffer.concat([carry, chunk]);
    if (piece.includes(bytes)) return true;
    carry = piece.subarray(-bytes.length);
  }
  return false;
}

/** The number of frames. Throws if the picture cannot be converted to the format. */
function judge({ width, height, pages = 1 }: Metadata, format: string): number {
  if (width * height * pages > pixelLimit)
    throw new ProviderFailure("bad_response", `the picture that came back has more than the ${pixelLimit} pixels that can be converted`);
  if (pages > 1 && format !== "webp")
    throw new ProviderFailure("bad_response", `the picture that came back is animated and cannot become a ${format}`);
  return pages;
}

/** True if every pixel is opaque, despite an alpha channel. */
async function isOpaque(image: Sharp): Promise<boolean> {
  const alpha = await image.extractChannel("alpha").raw().toBuffer().catch(failed);
  return alpha.equals(Buffer.alloc(alpha.length, 255));
}

function carryMetadata(image: Sharp, { metadata }: Encoding, { space, icc, exif, xmp, iptc }: Metadata): void {
  if (metadata === "drop") image.autoOrient();
  else if (iptc) image.keepMetadata();
  // Each kind is kept only if it is there: the library would write an empty one.
  else {
    // CMYK colours are converted to RGB, so their profile would be wrong.
    if (icc && space !== "cmyk") image.keepIccProfile();
    if (exif) image.keepExif();
    if (xmp) image.keepXmp();
  }
}

function encode(image: Sharp, format: (typeof encodings)[number], { quality, effort }: Encoding): Sharp {
  switch (format) {
    case "png":
      return image.png();
    case "jpeg":
      // With subsampled colour, thin letters lose their colour.
      return image.jpeg({ quality, chromaSubsampling: quality < 90 ? "4:2:0" : "4:4:4" });
    case "webp":
      return image.webp({ quality, effort, lossless: quality === 100 });
    case "avif":
      return image.avif({ quality, effort });
  }
}

function failed(error: unknown): never {
  throw notDecoded(error);
}
