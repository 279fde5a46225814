// Keeps the pictures to start from for as long as the tab is open, so that a reload does not lose them.
import type { Draft } from "./draft.ts";
import { keep, kept } from "./storage.ts";

const name = "pictor-images";

/** Characters of all kept pictures, at most: a tab has some five million for everything. */
const most = 4_000_000;

type Images = Pick<Draft, "images" | "mask">;

/** Pictures as they are kept: data URLs, or where they were too large only how many there were. */
interface Kept {
  images?: { name: string; data: string }[];
  mask?: string;
  lost?: number;
}

/** The pictures from before the page was loaded again; `lost` counts those that were too large to be kept. */
export function keptImages(): Partial<Draft> {
  const { images = [], mask, lost = 0 } = (kept(name) ?? {}) as Kept;
  try {
    return {
      images: images.map((image) => imageOf(image.name, blobOf(image.data))),
      mask: mask === undefined ? undefined : blobOf(mask),
      lost,
    };
  } catch {
    return {};
  }
}

/** A picture to start from. */
export const imageOf = (file: string, blob: Blob) => ({ name: file, blob, url: URL.createObjectURL(blob) });

/** Keep these pictures in place of those before, unless `isCurrent` says by then that others have taken their place. */
export async function keepImages({ images, mask }: Images, isCurrent: () => boolean): Promise<void> {
  // A reload before they are read loses them, and must say so.
  keep(name, { lost: images.length });
  const bytes = images.reduce((sum, { blob }) => sum + blob.size, mask?.size ?? 0);
  // Three bytes are four characters.
  if ((bytes * 4) / 3 > most) return;
  const data = await Promise.all(images.map(async (image) => ({ name: image.name, data: await dataOf(image.blob) })));
  const masked = mask && (await dataOf(mask));
  if (isCurrent() && !keep(name, { images: data, mask: masked })) keep(name, { lost: images.length });
}

function dataOf(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string);
    reader.onerror = () => reject(new Error("the picture cannot be read any more", { cause: reader.error }));
    reader.readAsDataURL(blob);
  });
}

/** The page's policy lets nobody fetch a data URL, so it is taken apart here. */
function blobOf(data: string): Blob {
  const [, type = "", base64 = ""] = /^data:([^;,]*);base64,(.*)$/.exec(data) ?? [];
  return new Blob([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], { type });
}
