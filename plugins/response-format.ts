// Turns URLs into base64 and base64 into URLs, as the client asked.
import { ProviderFailure } from "../src/errors.ts";
import { chunksOf } from "../src/picture/convert.ts";
import { isNotYet } from "../src/picture/not-yet.ts";
import type { Picture } from "../src/picture/picture.ts";
import { NotStored } from "../src/picture/store.ts";
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
    const { url, mediaType } = await ctx.store.save(chunksOf(whole), life);
    return { ...picture, mediaType, data: { kind: "url", url, own: true } };
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
    const mayWorkLater = error instanceof ProviderFailure && (error.kind !== "bad_response" || isNotYet(error));
    if (!mayWorkLater || secret || ctx.signal.aborted) throw error;
    // It may have to be paid for, and its URL is all that there is of it.
    ctx.change("response_format", { what: "the picture could not be fetched", from: "b64_json", to: "url" });
    return picture;
  }
}
