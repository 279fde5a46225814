// Turns URLs into base64 and base64 into URLs, as the client asked.
import { ProviderFailure } from "../src/errors.ts";
import { chunksOf } from "../src/picture/convert.ts";
import type { Picture } from "../src/picture/picture.ts";
import { NotStored, storePicture } from "../src/picture/store.ts";
import type { PluginContext } from "../src/plugin/context.ts";
import { definePlugin } from "../src/plugin/define.ts";

export default definePlugin({
  name: "response-format",
  summary: "Answer with a URL or base64 as the client asked, whichever the provider gave.",
  schema: {
    type: "object",
    additionalProperties: false,
    properties: {
      life: {
        type: "integer",
        minimum: 60,
        description: "Seconds that a picture stored for its URL is kept; the gateway's own setting when omitted.",
      },
    },
  },
  examples: [{}, { life: 86400 }],
  handles: ["response_format"],
  create: ({ life }) =>
    async function responseFormat(ctx, next) {
      const asked = ctx.request.response_format;
      await next((picture) => {
        if (asked === "b64_json") return asBytes(ctx, picture);
        const isSecret = picture.data.kind === "url" && picture.data.secret;
        return asked === "url" || picture.cameAsUrl || isSecret ? asUrl(ctx, picture, life) : picture;
      });
    },
});

async function asUrl(ctx: PluginContext, picture: Picture, life: number | undefined): Promise<Picture> {
  const { data } = picture;
  if (data.kind === "url" && !data.secret) return picture;
  const given = data.kind === "url" ? await ctx.fetchPicture(data.url, "provider") : data;
  // A stream can be read once, and must go out another way where it cannot be stored.
  const whole = given.kind === "stream" ? await ctx.spool.take(chunksOf(given), Infinity) : given;
  try {
    return await storePicture(picture, whole, (chunks) => ctx.store.save(chunks, life));
  } catch (error) {
    if (!(error instanceof NotStored)) throw error;
    ctx.change("response_format", { what: "the picture could not be stored", from: "url", to: "b64_json" });
    return { ...picture, data: whole };
  }
}

async function asBytes(ctx: PluginContext, picture: Picture): Promise<Picture> {
  if (picture.data.kind !== "url") return picture;
  const { url, secret } = picture.data;
  try {
    const { mediaType, ...data } = await ctx.fetchPicture(url, "provider");
    return { ...picture, mediaType, data };
  } catch (error) {
    if (!(error instanceof ProviderFailure) || secret || ctx.signal.aborted) throw error;
    // A client that asks for base64 may read nothing else. The URL, of a picture that may have to be paid for, is reported with the failure.
    const { kind, message, details } = error;
    throw new ProviderFailure(kind, `the picture could not be fetched for b64_json: ${message}`, {
      ...details,
      pictures: [url],
      cause: error,
    });
  }
}
