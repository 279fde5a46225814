// Removes expired pictures from a store in S3.
import { createHash } from "node:crypto";
import type { S3Client } from "./client.ts";
import { S3Failure } from "./failure.ts";

/** The time at which a picture expires, read from its id, in epoch milliseconds; undefined for a text that is not an id of this store. */
export function endOf(id: string): number | undefined {
  return /^[0-9a-f]{8}[\w-]{24}$/.test(id) ? Number.parseInt(id.slice(0, 8), 16) * 1000 : undefined;
}

/**
 * Removes the objects that have expired; resolves with their number. The list is sorted by name, and so by expiry. Several gateways may sweep at
 * once. Objects that no gateway wrote are left alone. Rejects with `S3Failure`.
 */
export async function sweepObjects(client: S3Client, prefix: string, now: number, page = 1000): Promise<number> {
  let removed = 0;
  let next: string | undefined;
  do {
    const { text } = await client.text({
      method: "GET",
      query: { "list-type": "2", "max-keys": String(page), prefix, ...(next !== undefined && { "continuation-token": next }) },
    });
    const ids = [...text.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key = ""]) => key.slice(prefix.length));
    const due = ids.filter((id) => (endOf(id) ?? Infinity) <= now);
    if (due.length > 0) await remove(client, prefix, due);
    removed += due.length;
    const isOver = ids.some((id) => (endOf(id) ?? 0) > now);
    next = isOver ? undefined : /<NextContinuationToken>([^<]*)<\/NextContinuationToken>/.exec(text)?.[1]?.replaceAll("&amp;", "&");
  } while (next !== undefined);
  return removed;
}

async function remove(client: S3Client, prefix: string, ids: readonly string[]): Promise<void> {
  const objects = ids.map((id) => `<Object><Key>${prefix}${id}</Key></Object>`).join("");
  const body = Buffer.from(`<Delete><Quiet>true</Quiet>${objects}</Delete>`);
  const headers = { "content-type": "application/xml", "content-md5": createHash("md5").update(body).digest("base64") };
  const { text } = await client.text({ method: "POST", query: { delete: "" }, headers, body });
  const [, code] = /<Error>.*?<Code>(\w+)<\/Code>/s.exec(text) ?? [];
  if (code !== undefined)
    throw new S3Failure(`the store did not delete expired pictures (${code}); the key of its bucket needs s3:DeleteObject`, {
      passes: false,
    });
}
