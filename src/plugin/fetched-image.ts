// Fetches a client's image for a plugin that needs its bytes.
import { GatewayError, ProviderFailure } from "../errors.ts";
import { chunksOf } from "../picture/convert.ts";
import type { InputImage } from "../picture/input.ts";
import { judgeImage, tooLarge } from "../picture/judge.ts";
import type { PluginContext } from "./context.ts";

/** The images that were fetched, by those that the request has. All attempts share them: the client's server is asked once. The spool has it as long. */
const arrived = new WeakMap<InputImage, InputImage>();

/** An image that is here, fetched where the client gave a URL; at most `limit` bytes. Throws a 400 or 413 for one that cannot be had. */
export async function fetchedImage(ctx: PluginContext, image: InputImage, index: number, limit: number): Promise<InputImage> {
  const { data, field } = image;
  if (data.kind !== "url") return image;
  const known = arrived.get(image);
  if (known) return known;
  try {
    const arriving = await ctx.fetchPicture(data.url, "client");
    const kept = await ctx.spool.take(chunksOf(arriving), limit);
    const judged = await judgeImage(kept, { field, index }, { bytes: limit, pixels: 100_000_000 });
    arrived.set(image, judged);
    return judged;
  } catch (error) {
    if (!(error instanceof ProviderFailure) || ctx.signal.aborted) throw tooLarge(error, field);
    throw new GatewayError("invalid_image_file", `${field} could not be fetched: ${error.message}`, { param: field, cause: error });
  }
}
