// Keeps what a client asked for, so that the request can be served without it: its images in the store, and the rest as a document.
import { keepDocument, readDocument } from "../ledger/documents.ts";
import { chunksOf } from "../picture/convert.ts";
import { InputImage, type InputData } from "../picture/input.ts";
import type { PictureStore, StoredData } from "../picture/store.ts";
import type { Change, UnifiedRequest } from "../plugin/context.ts";
import { storedData } from "./kept-answer.ts";

/** A request as it was judged when it came. */
export interface Asked {
  request: UnifiedRequest;
  /** The changes that were made to it then. */
  changes: Change[];
  /** The beginning of the URLs of pictures that are stored for it. */
  origin: string;
  /** The channel that the client chose. */
  pinned?: string;
  /** The request as each model takes it that may stand in for the one asked for. */
  others?: readonly Other[];
  /** True where unfinished pictures are wanted as they come. */
  streams?: boolean;
  /** The place of the request in a trace, if it has one. */
  traceparent?: string;
}

/** A request as another model takes it. */
export interface Other {
  model: string;
  request: UnifiedRequest;
  changes: readonly Change[];
}

interface KeptImage {
  data: { kind: "url"; url: string } | { kind: "stored"; id: string };
  field: string;
  name: string;
  type?: string;
  width?: number;
  height?: number;
  form?: InputImage["form"];
  source?: string;
  mayBePrivate?: boolean;
}

type Fields = Omit<UnifiedRequest, "images" | "mask">;

interface KeptRequest extends Omit<Asked, "request" | "others"> {
  fields: Fields;
  /** Their images are those of the request itself. */
  others?: readonly (Pick<Other, "model" | "changes"> & { fields: Fields })[];
  images?: KeptImage[];
  mask?: KeptImage;
}

/** Keep a request for so many seconds; resolves with the id of its document. Rejects with `NotStored`. */
export async function keepRequest(store: PictureStore, { request, others, ...asked }: Asked, life: number): Promise<string> {
  const { images, mask, ...fields } = request;
  const kept: KeptImage[] = [];
  for (const image of images ?? []) kept.push(await keepImage(store, image, life));
  const whole: KeptRequest = {
    ...asked,
    fields,
    others: others?.map(({ request: own, ...more }) => ({ ...more, fields: fieldsOf(own) })),
    ...(images && { images: kept }),
    ...(mask && { mask: await keepImage(store, mask, life) }),
  };
  return keepDocument(store, whole, life);
}

function fieldsOf({ ...fields }: UnifiedRequest): Fields {
  delete fields.images;
  delete fields.mask;
  return fields;
}

/** Makes of a stored image what the request is served with. */
type Hold = (data: StoredData) => Promise<InputData>;

/** The request that was kept; undefined where any of it is no longer. Rejects with `StoreAway`. */
export async function readKeptRequest(
  store: PictureStore,
  document: string,
  hold: Hold = (data) => Promise.resolve(data),
): Promise<Asked | undefined> {
  const kept = (await readDocument(store, document)) as KeptRequest | undefined;
  if (!kept) return undefined;
  const { fields, others, images: keptImages, mask: keptMask, ...asked } = kept;
  const images: InputImage[] = [];
  for (const image of keptImages ?? []) {
    const found = await readImage(store, image, hold);
    if (!found) return undefined;
    images.push(found);
  }
  const mask = keptMask && (await readImage(store, keptMask, hold));
  if (keptMask && !mask) return undefined;
  const withImages = (own: Fields) => ({ ...own, ...(keptImages && { images }), ...(mask && { mask }) }) as UnifiedRequest;
  return {
    ...asked,
    request: withImages(fields),
    others: others?.map(({ fields: own, ...more }) => ({ ...more, request: withImages(own) })),
  };
}

async function keepImage(store: PictureStore, image: InputImage, life: number): Promise<KeptImage> {
  const { data, field, name, type, width, height, form, source, mayBePrivate } = image;
  const kept: KeptImage["data"] =
    data.kind === "url" ? { kind: "url", url: data.url } : { kind: "stored", id: (await store.save(chunksOf(data), life)).id };
  return { data: kept, field, name, type, width, height, form, source, mayBePrivate };
}

async function readImage(store: PictureStore, { data, ...parts }: KeptImage, hold: Hold): Promise<InputImage | undefined> {
  if (data.kind === "url") return new InputImage({ ...parts, data });
  const found = await storedData(store, data.id);
  return found && new InputImage({ ...parts, data: await hold(found) });
}
