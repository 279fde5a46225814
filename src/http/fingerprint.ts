// Recognises a request that a client sends once more.
import { createHash } from "node:crypto";
import { isPlainObject } from "../expression/cel.ts";
import { chunksOf } from "../picture/convert.ts";
import type { InputImage } from "../picture/input.ts";
import type { UnifiedRequest } from "../plugin/context.ts";
import type { CompiledModel } from "../schema/models.ts";
import { version } from "./version.ts";

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

/** A fingerprint as a row keeps it, with what made it: another version of the gateway, or schema of the model, may make another of the same request. */
export function keptFingerprint(fingerprint: string, { schema }: { schema: Pick<CompiledModel, "bundled"> }): string {
  return `${fingerprint}@${makerOf(schema)}`;
}

/** True where two kept fingerprints are those of different requests. Two that were not made alike say nothing: then the client's key alone decides. */
export function tellApart(one: string, other: string): boolean {
  return one !== other && one.split("@")[1] === other.split("@")[1];
}

const makers = new WeakMap<object, string>();

function makerOf({ bundled }: Pick<CompiledModel, "bundled">): string {
  let maker = makers.get(bundled);
  if (maker === undefined) {
    maker = createHash("sha256").update(version).update(JSON.stringify(bundled)).digest("hex").slice(0, 8);
    makers.set(bundled, maker);
  }
  return maker;
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
