// The form of a picture as it stands, kept while the tab is open.
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
}

const name = "pictor-draft";
const empty: Draft = { model: "", prompt: "", fields: {}, isWatched: true, images: [], mask: undefined };

export const draft = createStore<Draft>({ ...empty, ...kept() });

function kept(): Partial<Draft> {
  try {
    return JSON.parse(sessionStorage.getItem(name) ?? "{}") as Partial<Draft>;
  } catch {
    return {};
  }
}

/** Change a part of the form. Its texts outlive a reload; pictures do not. */
export function write(change: Partial<Draft>): void {
  const next = { ...draft.value, ...change };
  for (const { url } of draft.value.images.filter((image) => !next.images.includes(image))) URL.revokeObjectURL(url);
  // A mask belongs to the first picture.
  if (next.images[0] !== draft.value.images[0] && change.mask === undefined) next.mask = undefined;
  draft.set(next);
  const { model, prompt, fields, isWatched } = next;
  sessionStorage.setItem(name, JSON.stringify({ model, prompt, fields, isWatched }));
}

/** The files as pictures to start from; files of another kind are left out. */
export function imagesOf(files: Iterable<File>): InputImage[] {
  return [...files]
    .filter(({ type }) => type.startsWith("image/"))
    .map((file) => ({ name: file.name === "" ? "pasted.png" : file.name, blob: file, url: URL.createObjectURL(file) }));
}
