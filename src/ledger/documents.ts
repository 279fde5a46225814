// Keeps what a row refers to and the ledger must not hold, such as prompts: in the picture store.
import { text } from "node:stream/consumers";
import { StoreAway, type PictureStore } from "../picture/store.ts";

/** Keep a value as JSON for so many seconds; resolves with its id. Rejects with `NotStored`. */
export async function keepDocument(store: PictureStore, value: unknown, life: number): Promise<string> {
  async function* document() {
    yield await Promise.resolve(Buffer.from(JSON.stringify(value)));
  }
  return (await store.save(document(), life)).id;
}

/** The value that was kept; undefined where it is no longer, or is broken. Rejects with `StoreAway`. */
export async function readDocument(store: PictureStore, id: string): Promise<unknown> {
  const stored = await store.find(id);
  if (!stored) return undefined;
  try {
    return JSON.parse(await text(await store.read(stored))) as unknown;
  } catch (error) {
    // It is only out of reach for a while, and may be worth money.
    if (error instanceof StoreAway) throw error;
    return undefined;
  }
}
