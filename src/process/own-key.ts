// The client key that the gateway makes for an operator who set none.
import { randomBytes } from "node:crypto";
import { link, lstat, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A key of ours, or one that an operator wrote in its place. */
const isKey = (text: string) => /^[\x21-\x7e]{16,}$/.test(text);

/**
 * The key in the data folder: kept, so that it stays the same, and for this user's eyes only. Rejects where others could have written or
 * read it.
 */
export async function ownKeyIn(data: string): Promise<string> {
  const file = join(data, "client-key");
  await mkdir(data, { recursive: true, mode: 0o700 });
  for (let tries = 0; ; tries += 1) {
    const found = await keyIn(file);
    if (found !== undefined) return found;
    if (tries > 0) throw new Error(`${file} holds no key; delete it, and the gateway makes one`);
    await make(file);
  }
}

/** The key that is there, once its writer is through. */
async function keyIn(file: string): Promise<string | undefined> {
  const stats = await lstat(file).catch(() => undefined);
  if (!stats) return undefined;
  if (!stats.isFile()) throw new Error(`${file} is not a regular file; delete it, and the gateway makes one`);
  const mode = stats.mode & 0o777;
  if (mode & 0o007)
    throw new Error(
      `${file} is open to other users (mode ${mode.toString(8)}), so its key may be known or planted; delete it, and the gateway makes another`,
    );
  const key = (await readFile(file, "utf8")).trim();
  if (isKey(key)) return key;
  // An empty one would refuse everybody.
  if (key === "") return undefined;
  throw new Error(`${file} holds no key of at least 16 characters; delete it, and the gateway makes one`);
}

/** Of several processes that begin at once, the first makes it; it is there whole, or not at all. */
async function make(file: string): Promise<void> {
  const part = `${file}.${process.pid}`;
  await rm(part, { force: true });
  await writeFile(part, `sk-${randomBytes(24).toString("base64url")}\n`, { mode: 0o600, flag: "wx" });
  try {
    const stats = await lstat(file).catch(() => undefined);
    if (stats?.size === 0) await rm(file);
    await link(part, file).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    });
  } finally {
    await rm(part, { force: true });
  }
}
