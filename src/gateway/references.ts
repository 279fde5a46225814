// Describes pictures for the row of their request.
import type { PictureReference } from "../ledger/row.ts";
import { headOf, sizeOf } from "../picture/convert.ts";
import type { Picture } from "../picture/picture.ts";
import { sniff } from "../picture/sniff.ts";

/** Characters of a provider's URL that a row keeps: a longer one holds the picture itself, or nearly. */
export const longestUrl = 4096;

/** The reference to a picture as its client gets it. Only bytes that are here are read. */
export function referenceOf(picture: Picture): PictureReference {
  const { data, mediaType, width, height } = picture;
  if (data.kind === "url") {
    const { url, own, bytes } = data;
    return { ...(own ? { stored: url.slice(url.lastIndexOf("/") + 1) } : { url: keptUrl(url) }), mediaType, width, height, bytes };
  }
  const seen = width === undefined ? sniff(headOf(data)) : undefined;
  return { mediaType, width, height, ...seen, bytes: data.kind === "stream" ? data.size : sizeOf(data) };
}

function keptUrl(url: string): string | undefined {
  return url.length <= longestUrl && /^https?:/i.test(url) ? url : undefined;
}
