// Stores pictures and answers with the gateway's own URLs.
import { ProviderFailure } from "../src/errors.ts";
import { chunksOf } from "../src/picture/convert.ts";
import type { Picture } from "../src/picture/picture.ts";
import { NotStored, storePicture } from "../src/picture/store.ts";
import type { PluginContext } from "../src/plugin/context.ts";
import { definePlugin, untouched } from "../src/plugin/define.ts";
import { itemError } from "../src/plugin/outcomes.ts";

export default definePlugin({
  name: "rehost",
  summary: "Keep a copy of every picture and answer with a URL of our own, which does not end with the provider's.",
  schema: {
    type: "object",
    additionalProperties: false,
    properties: {
      life: { type: "integer", minimum: 60, description: "Seconds that a copy is kept; the gateway's own setting when omitted." },
      good_for: {
        type: "integer",
        minimum: 1,
        description:
          "Seconds: a URL that its channel knows to be good for so long (`result.expires`) goes out as it came. None does when omitted.",
      },
      only: {
        enum: ["urls", "all"],
        default: "urls",
        description: "What gets a URL of ours where the client asked for no response_format: pictures that came as URLs, or base64 too.",
      },
      partial: {
        enum: ["keep", "fail"],
        default: "keep",
        description: "A picture that cannot be kept goes out as it came, which metadata.errors tells, or fails the request.",
      },
    },
  },
  examples: [{}, { life: 604800, only: "all" }, { good_for: 86400 }, { partial: "fail" }],
  create: ({ life, good_for = Infinity, only, partial }) =>
    async function rehost(ctx, next) {
      const form = ctx.request.response_format;
      // A copy whose URL nobody gets would only take room.
      if (form === "b64_json") return next(untouched);
      const all = only === "all" || form === "url";
      const kept = async (picture: Picture): Promise<Picture> => {
        if (isGoodFor(picture, good_for)) return picture;
        if (picture.data.kind === "url" ? picture.data.own : !all && !picture.cameAsUrl) return picture;
        const { data } = picture;
        // A stream can be read once, and must go out as it came where it cannot be kept.
        const here = data.kind === "stream" ? { ...picture, data: await ctx.spool.take(chunksOf(data), Infinity) } : picture;
        return keep(ctx, here, life).catch((error: unknown) => {
          if (partial === "fail" || ctx.signal.aborted) throw error;
          if (!(error instanceof ProviderFailure || error instanceof NotStored))
            ctx.log.error({ err: error }, "a picture could not be kept");
          const { message, code } = itemError(error);
          ctx.result.errors.push({ message: `a picture could not be kept, and is as the provider gave it: ${message}`, code });
          return here;
        });
      };
      if (partial === "keep") return next((picture, unfinished) => (unfinished ? picture : kept(picture)));
      // Nothing may be shown before all are kept.
      await next();
      ctx.result.pictures = await Promise.all(ctx.result.pictures.map(kept));
    },
});

/** True for a URL that lasts, and that the client may see. */
function isGoodFor({ data, expires = 0 }: Picture, seconds: number): boolean {
  return data.kind === "url" && data.secret !== true && expires - Date.now() >= seconds * 1000;
}

async function keep(ctx: PluginContext, picture: Picture, life: number | undefined): Promise<Picture> {
  const { data } = picture;
  const source = data.kind === "url" ? await ctx.fetchPicture(data.url, "provider") : data;
  return storePicture(picture, source, (chunks) => ctx.store.save(chunks, life));
}
