import { clientError, ProviderFailure } from "../src/errors.ts";
import { chunksOf } from "../src/picture/convert.ts";
import type { Picture } from "../src/picture/picture.ts";
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
      await next();
      if (asked === "url") await convert(ctx, (picture) => asUrl(ctx, picture, life));
      if (asked === "b64_json") await convert(ctx, (picture) => asBytes(ctx, picture));
    },
});

/** Give every picture its form. One that cannot be had is told beside those that can; when none can, its failure is the request's. */
async function convert(ctx: PluginContext, form: (picture: Picture) => Promise<Picture>): Promise<void> {
  const outcomes = await Promise.allSettled(ctx.result.pictures.map(form));
  const failures = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as unknown] : []));
  ctx.result.pictures = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  for (const failure of failures) {
    if (ctx.result.pictures.length === 0 || !(failure instanceof ProviderFailure)) throw failure;
    const { message, code } = clientError(failure);
    ctx.result.errors.push({ message, code });
  }
}

async function asUrl(ctx: PluginContext, picture: Picture, life: number | undefined): Promise<Picture> {
  if (picture.data.kind === "url") return picture;
  const kept = await ctx.store.save(chunksOf(picture.data), life);
  return { ...picture, mediaType: kept.mediaType, data: { kind: "url", url: kept.url } };
}

async function asBytes(ctx: PluginContext, picture: Picture): Promise<Picture> {
  if (picture.data.kind !== "url") return picture;
  const { mediaType, ...data } = await ctx.fetchPicture(picture.data.url);
  return { ...picture, mediaType, data };
}
