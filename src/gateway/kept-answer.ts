// Keeps what a request made, so that it can be given again: its pictures in the store, and the rest as a document.
import { keepDocument, readDocument } from "../ledger/documents.ts";
import type { PictureReference } from "../ledger/row.ts";
import type { Cost } from "../money/cost.ts";
import { chunksOf } from "../picture/convert.ts";
import type { Picture, PictureData } from "../picture/picture.ts";
import { NotStored, type PictureStore, type StoredData } from "../picture/store.ts";
import type { Change, Result } from "../plugin/context.ts";
import { referenceOf } from "./references.ts";

/** The pictures and facts of an answer, with the changes that are reported with them. */
export interface Made {
  result: Result;
  changes: Change[];
  /** Gives what the request cost, once the provider's whole answer is here. */
  cost?: () => Cost;
}

interface KeptAnswer {
  pictures: (Omit<Picture, "data"> & { data: { kind: "url"; url: string; own?: true } | { kind: "stored"; id: string } })[];
  errors: Result["errors"];
  facts: Result["facts"];
  metadata?: Result["metadata"];
  changes: Change[];
  cost?: Cost;
}

/**
 * Keep what was made for so many seconds. Its pictures must be here, or URLs; those are kept as they are. A picture that cannot be stored is
 * left out, since it can still be given once: `document` is absent then, and `passes` is whether the store is only away. It is the document's id, or a
 * short answer itself.
 */
export async function keepAnswer(
  store: PictureStore,
  { result, changes, cost }: Made,
  life: number,
): Promise<{ document?: string; references: PictureReference[]; passes?: boolean }> {
  const { errors, facts, metadata } = result;
  const pictures: KeptAnswer["pictures"] = [];
  const references: PictureReference[] = [];
  try {
    for (const picture of result.pictures) {
      const { data, ...rest } = picture;
      if (data.kind === "url") {
        pictures.push({ ...rest, data: { kind: "url", url: data.url, ...(data.own && { own: true }) } });
        references.push(referenceOf(picture));
        continue;
      }
      const stored = await store.save(chunksOf(data), life);
      pictures.push({ ...rest, data: { kind: "stored", id: stored.id } });
      const { id, mediaType, bytes, etag } = stored;
      references.push({ ...referenceOf(picture), stored: id, mediaType, bytes, sha256: etag.slice(1, -1) });
    }
    const kept: KeptAnswer = { pictures, errors, facts, metadata, changes, cost: cost?.() };
    return { document: shortAnswer(kept) ?? (await keepDocument(store, kept, life)), references };
  } catch (error) {
    if (error instanceof NotStored) return { references, passes: error.passes };
    throw error;
  }
}

/** Characters of an answer that stands in its row: pages of the database stay small. */
export const longestInRow = 2048;

/**
 * An answer that is short and holds no words of anybody, such as a URL alone, as JSON for the row itself: writing a file costs more than all the
 * rest of keeping it. Undefined for any other.
 */
function shortAnswer(kept: KeptAnswer): string | undefined {
  const { pictures, errors, metadata, changes } = kept;
  const hasWords =
    errors.length > 0 ||
    metadata !== undefined ||
    changes.some(({ field }) => field.includes("prompt")) ||
    pictures.some(({ revisedPrompt, metadata: own, data }) => revisedPrompt !== undefined || own !== undefined || isInline(data));
  const text = hasWords ? "" : JSON.stringify(kept);
  return text !== "" && text.length <= longestInRow ? text : undefined;
}

function isInline(data: KeptAnswer["pictures"][number]["data"]): boolean {
  return data.kind === "url" && !/^https?:/i.test(data.url);
}

/**
 * The kept answer, with its pictures as files of the store, or as URLs where `urlOf` gives one for a picture's id; undefined where any of it is no
 * longer kept.
 */
export async function readKeptAnswer(store: PictureStore, document: string, urlOf?: (id: string) => string): Promise<Made | undefined> {
  const kept = (document.startsWith("{") ? JSON.parse(document) : await readDocument(store, document)) as KeptAnswer | undefined;
  if (!kept) return undefined;
  const { changes, cost, pictures: keptPictures, ...result } = kept;
  const pictures: Picture[] = [];
  for (const { data, ...rest } of keptPictures) {
    const found = data.kind === "url" ? data : urlOf ? await storedUrl(store, data.id, urlOf) : await storedData(store, data.id);
    if (!found) return undefined;
    pictures.push({ ...rest, data: found });
  }
  return { result: { ...result, pictures }, changes, ...(cost && { cost: () => cost }) };
}

async function storedUrl(store: PictureStore, id: string, urlOf: (id: string) => string): Promise<PictureData | undefined> {
  return (await store.find(id)) && { kind: "url", url: urlOf(id), own: true };
}

/** A stored picture as data that can be read as often as needed; undefined where it is no longer kept. */
export async function storedData(store: PictureStore, id: string): Promise<StoredData | undefined> {
  const stored = await store.find(id);
  return stored && store.data(stored);
}
