import { buffer } from "node:stream/consumers";
import { isPlainObject } from "../expression/cel.ts";
import { FilePart } from "../expression/directives.ts";
import { decodeBase64, readBase64 } from "../picture/base64.ts";
import { chunksOf } from "../picture/convert.ts";
import { LongText } from "../picture/lift.ts";

/** A form as multipart/form-data, in bytes, so that it can be signed and counted. A list repeats its part. */
export async function encodeMultipart(value: unknown): Promise<{ headers: Record<string, string>; body: Buffer }> {
  const form = new FormData();
  for (const [name, item] of entries(value)) {
    if (item instanceof FilePart)
      form.append(name, new Blob([await bytesOf(item.content)], item.type ? { type: item.type } : {}), item.name);
    else form.append(name, plain(item));
  }
  const encoded = new Response(form);
  return { headers: { "content-type": encoded.headers.get("content-type") ?? "" }, body: Buffer.from(await encoded.arrayBuffer()) };
}

/** A form as application/x-www-form-urlencoded. */
export function encodeForm(value: unknown): Buffer {
  return Buffer.from(new URLSearchParams(entries(value).map(([name, item]): [string, string] => [name, plain(item)])).toString());
}

function entries(value: unknown): [string, unknown][] {
  if (!isPlainObject(value)) return [];
  return Object.entries(value).flatMap(([name, item]) =>
    Array.isArray(item) ? item.map((one: unknown): [string, unknown] => [name, one]) : [[name, item] as [string, unknown]],
  );
}

function plain(item: unknown): string {
  return typeof item === "string" ? item : JSON.stringify(item);
}

async function bytesOf(content: unknown): Promise<Uint8Array<ArrayBuffer>> {
  const long = content instanceof LongText ? (content.picture ?? content.text) : undefined;
  const text = long ? await buffer(chunksOf(long)) : Buffer.from(String(content));
  const found = content instanceof LongText && content.picture ? undefined : readBase64(text);
  return new Uint8Array(found ? decodeBase64(found.ascii) : text);
}
