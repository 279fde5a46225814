// Recognises a request that a client sends once more.
import { createHash } from "node:crypto";
import { isPlainObject } from "../expression/cel.ts";
import { chunksOf } from "../picture/convert.ts";
import type { InputImage } from "../picture/input.ts";
import type { UnifiedRequest } from "../plugin/context.ts";

/**
 * The SHA-256, in hex, of everything that makes a request the one it is; `more` is what the client asked for beside the fields. Images count
 * by their bytes or URL, and the order of fields does not count, so a form that is sent again under another boundary is the same request.
 */
export async function fingerprintOf({ images = [], mask, ...fields }: UnifiedRequest, more: object): Promise<string> {
  const digests: string[] = [];
  for (const image of images) digests.push(await digestOf(image));
  // Apart from each other: a model may have a field with the name of one of ours.
  const whole = { fields, more, images: digests, mask: mask && (await digestOf(mask)) };
  return createHash("sha256").update(JSON.stringify(whole, sorted)).digest("hex");
}

function sorted(_key: string, value: unknown): unknown {
  return isPlainObject(value) ? Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))) : value;
}

async function digestOf({ data }: InputImage): Promise<string> {
  if (data.kind === "url") return data.url;
  const hash = createHash("sha256");
  for await (const chunk of chunksOf(data)) hash.update(chunk);
  return hash.digest("hex");
}
