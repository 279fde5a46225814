// Keeps what a row refers to and the ledger must not hold, such as prompts: as files of the picture store.
import { readFile } from "node:fs/promises";
import type { PictureStore } from "../picture/store.ts";

/** Keep a value as JSON for so many seconds; resolves with its id. Rejects with `NotStored`. */
export async function keepDocument(store: PictureStore, value: unknown, life: number): Promise<string> {
  async function* text() {
    yield await Promise.resolve(Buffer.from(JSON.stringify(value)));
  }
  return (await store.save(text(), life)).id;
}

/** The value that was kept; undefined where it is no longer, or is broken. */
export async function readDocument(store: PictureStore, id: string): Promise<unknown> {
  const stored = await store.find(id);
  if (!stored) return undefined;
  const text = await readFile(stored.file, "utf8").catch(() => undefined);
  try {
    return text === undefined ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}
