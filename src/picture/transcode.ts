// Converts pictures into another file format.
import type { Metadata, Sharp, SharpOptions } from "sharp";
import { ProviderFailure } from "../errors.ts";
import { chunksOf, headOf, type LocalData } from "./convert.ts";
import { isBomb, loadSharp, notDecoded, pixelLimit, pixelWork, untrusted } from "./pixels.ts";
import { sniff } from "./sniff.ts";
import type { SpoolScope } from "./spool.ts";
import type { Trace } from "../trace.ts";

/** The formats that pictures can be made to. */
export const encodings = ["png", "jpeg", "webp", "avif"] as const;

export interface Encoding {
  /** A picture's own where it is left out. */
  format?: (typeof encodings)[number];
  /** 1 to 100, for all but png; a webp of 100 is without loss. */
  quality: number;
  /** 0 to 6, for webp and avif: time for fewer bytes. */
  effort: number;
  /** The colour, as `#rrggbb`, behind a picture that has to lose its transparency. */
  background: string;
  /** EXIF, XMP, the colour profile: carried over as far as the format can, or taken out. Then turn and colours become the pixels' own. */
  metadata: "keep" | "drop";
  /** Encode it for the sake of `quality` too. */
  anew: boolean;
}

export interface Transcoded {
  data: LocalData;
  /** True where anything was converted; otherwise the bytes are the given ones. */
  converted: boolean;
  mediaType: string;
  width?: number;
  height?: number;
  /** Losses of the conversion: transparency; content credentials (C2PA), which are signed for the original bytes. */
  lost: { transparency?: boolean; credentials?: boolean };
}

// The beginning of a C2PA manifest store, wherever a format keeps it: a JUMBF description box of C2PA's type.
const credentials = Buffer.from("jumdc2pa", "latin1");

/**
 * A picture in the encoding that is wanted; as it is where it is that already. What is animated stays so in webp only. Rejects with a
 * `ProviderFailure` for a picture that is broken, too large or cannot become this, or with the signal's reason.
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
  // The only request was for a gif, which holds no metadata.
  if (!format || (asWanted && to.metadata === "keep")) return { ...seen, data, converted: false, lost: {} };

  const sharp = await loadSharp();
  // The library reads nothing before it has all of it.
  const whole = data.kind === "bytes" || data.kind === "file" ? data : await spool.take(chunksOf(data), Infinity);
  const open = (options: SharpOptions) => sharp(whole.kind === "file" ? whole.path : whole.bytes, options);
  // Nothing is decoded yet; `judge` says more clearly what is too large.
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

/** True where the bytes occur in the picture. */
async function holds(data: LocalData, bytes: Buffer): Promise<boolean> {
  let carry: Buffer = Buffer.alloc(0);
  for await (const chunk of chunksOf(data)) {
    const piece = carry.length === 0 ? chunk : Buffer.concat([carry, chunk]);
    if (piece.includes(bytes)) return true;
    carry = piece.subarray(-bytes.length);
  }
  return false;
}

/** Of how many frames it is. Throws where it cannot become such a picture. */
function judge({ width, height, pages = 1 }: Metadata, format: string): number {
  if (width * height * pages > pixelLimit)
    throw new ProviderFailure("bad_response", `the picture that came back has more than the ${pixelLimit} pixels that can be converted`);
  if (pages > 1 && format !== "webp")
    throw new ProviderFailure("bad_response", `the picture that came back is animated and cannot become a ${format}`);
  return pages;
}

/** An alpha channel need not let anything through. */
async function isOpaque(image: Sharp): Promise<boolean> {
  const alpha = await image.extractChannel("alpha").raw().toBuffer().catch(failed);
  return alpha.equals(Buffer.alloc(alpha.length, 255));
}

function carryMetadata(image: Sharp, { metadata }: Encoding, { space, icc, exif, xmp, iptc }: Metadata): void {
  if (metadata === "drop") image.autoOrient();
  else if (iptc) image.keepMetadata();
  // To keep what is not there would write an empty one.
  else {
    // A printer's colours become a screen's, and their profile would be a lie.
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
      // Thin letters lose their colour where it is stored at half the size.
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
