// Reads stored pictures through nginx again and again: whole, in a part, and by those who have them already.
import { setTimeout as delay } from "node:timers/promises";

/** A picture that was given as a URL. */
export interface Stored {
  url: string;
  bytes: Buffer;
}

export interface Reads {
  right: number;
  /** Reads that failed as they may while something is away. */
  failed: { began: number; ended: number; how: string }[];
  /** Answers that are wrong at any time. */
  wrong: string[];
}

/** Read one of these pictures after the other, chosen by chance, for as long as it goes on. */
export async function readAgain(stored: readonly Stored[], goesOn: () => boolean): Promise<Reads> {
  const reads: Reads = { right: 0, failed: [], wrong: [] };
  while (goesOn()) {
    await delay(40);
    const one = stored[Math.floor(Math.random() * stored.length)];
    if (!one) continue;
    const began = performance.now();
    const how = await read(one).catch((error: unknown) => ({ passes: String((error as Error).cause ?? error) }));
    if (how === "right") reads.right += 1;
    else if ("wrong" in how) reads.wrong.push(`${one.url}: ${how.wrong}`);
    else reads.failed.push({ began, ended: performance.now(), how: how.passes });
  }
  return reads;
}

/** A connection that is kept may be closed by an nginx that reloads just when the next request goes out on it, which is no failure of anything. */
const ownConnection = { connection: "close" };

async function read({ url, bytes }: Stored): Promise<"right" | { wrong: string } | { passes: string }> {
  const way = (["whole", "part", "known"] as const)[Math.floor(Math.random() * 3)];
  const etag = way === "known" ? ((await fetch(url, { method: "HEAD", headers: ownConnection })).headers.get("etag") ?? "") : "";
  // Without this fetch asks past every cache, and is sent the picture.
  const headers = {
    ...(way === "part" && { range: "bytes=100-199" }),
    ...(etag !== "" && { "if-none-match": etag, "cache-control": "max-age=0" }),
  };
  const response = await fetch(url, { headers: { ...headers, ...ownConnection } });
  const got = Buffer.from(await response.arrayBuffer());
  if (response.status >= 500) return { passes: `${response.status} ${got.toString().slice(0, 200)}` };
  const [status, expected] = way === "part" ? [206, bytes.subarray(100, 200)] : etag !== "" ? [304, Buffer.alloc(0)] : [200, bytes];
  if (response.status !== status) return { wrong: `${response.status} in place of ${status}: ${got.toString("latin1").slice(0, 200)}` };
  return got.equals(expected) ? "right" : { wrong: `other bytes: ${got.toString("latin1").slice(0, 60)}` };
}
