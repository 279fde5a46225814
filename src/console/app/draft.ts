// The form of a picture as it stands, kept while the tab is open.
import { imageOf, keepImages, keptImages } from "./kept-images.ts";
import { session } from "./session.ts";
import { keep, kept } from "./storage.ts";
import { createStore } from "./store.ts";

/** A picture to start from. `url` shows it here. */
export interface InputImage {
  name: string;
  blob: Blob;
  url: string;
}

/** The form as it stands: each field as it was written. */
export interface Draft {
  model: string;
  prompt: string;
  fields: Readonly<Record<string, string>>;
  /** True where unfinished pictures are wanted. */
  isWatched: boolean;
  images: readonly InputImage[];
  mask: Blob | undefined;
  /** Pictures that were here before the page was loaded again, and were too large to be kept. */
  lost: number;
}

const name = "pictor-draft";
const empty: Draft = { model: "", prompt: "", fields: {}, isWatched: true, images: [], mask: undefined, lost: 0 };

export const draft = createStore<Draft>({ ...empty, ...(kept(name) as Partial<Draft> | undefined), ...keptImages() });

// The holder of the next key finds nothing of it.
session.listen(() => {
  if (!session.value) put(empty);
});

/** Change a part of the form. It outlives a reload, but for pictures that are too large. */
export function write(change: Partial<Draft>): void {
  const before = draft.value;
  const next = { ...before, ...change };
  // A mask belongs to the first picture.
  if (next.images[0] !== before.images[0] && change.mask === undefined) next.mask = undefined;
  const hasOthers = next.images !== before.images || next.mask !== before.mask;
  put(hasOthers ? { ...next, lost: 0 } : next);
  const { model, prompt, fields, isWatched } = next;
  keep(name, { model, prompt, fields, isWatched });
  const isCurrent = () => draft.value.images === next.images && draft.value.mask === next.mask;
  if (hasOthers) keepImages(next, isCurrent).catch(() => undefined);
}

function put(next: Draft): void {
  for (const { url } of draft.value.images.filter((image) => !next.images.includes(image))) URL.revokeObjectURL(url);
  draft.set(next);
}

/** The files as pictures to start from; files of another kind are left out. */
export function imagesOf(files: Iterable<File>): InputImage[] {
  return [...files]
    .filter(({ type }) => type.startsWith("image/"))
    .map((file) => imageOf(file.name === "" ? "pasted.png" : file.name, file));
}
