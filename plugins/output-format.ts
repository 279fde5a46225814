// Converts pictures into the file format that was asked for.
import { GatewayError, ProviderFailure } from "../src/errors.ts";
import { chunksOf, headOf } from "../src/picture/convert.ts";
import { pixelWork } from "../src/picture/pixels.ts";
import { formatName, sniff } from "../src/picture/sniff.ts";
import { encodings, transcode } from "../src/picture/transcode.ts";
import { definePlugin } from "../src/plugin/define.ts";

const format = { enum: encodings } as const;
const share = { type: "integer", minimum: 1, maximum: 100 } as const;

export default definePlugin({
  name: "output-format",
  summary: "Make every picture the format that was asked for, where the provider gives another.",
  schema: {
    type: "object",
    additionalProperties: false,
    properties: {
      formats: {
        type: "array",
        items: format,
        uniqueItems: true,
        default: [],
        description: "What the provider gives, always or when asked; it is not asked for other formats, and its pictures are converted.",
      },
      compression: { type: "boolean", default: false, description: "Whether the provider honours output_compression in its formats." },
      default: { ...format, description: "The format where the client asks for none; told as a change." },
      quality: { ...share, default: 90, description: "Quality where output_compression is omitted; a webp of 100 is lossless." },
      effort: { ...share, minimum: 0, maximum: 6, default: 1, description: "Time given to webp and avif; above 1 an avif takes seconds." },
      background: {
        type: "string",
        pattern: "^#[0-9a-fA-F]{6}$",
        default: "#ffffff",
        description: "The colour behind what was transparent in a picture that becomes a jpeg; told as a change.",
      },
      metadata: {
        enum: ["keep", "drop"],
        default: "keep",
        description:
          "EXIF, XMP and colour profile are carried over as the format allows, or taken out of every picture. Content credentials (C2PA) outlive no conversion; their loss is told.",
      },
      otherwise: {
        enum: ["keep", "fail"],
        default: "keep",
        description:
          "A picture that cannot be converted (lost, broken, too large, animated, an SVG) stays as it came, told as a change, or counts as failed. It always does where metadata is to be dropped.",
      },
    },
  },
  examples: [
    {},
    { formats: ["png", "jpeg"] },
    { default: "webp", quality: 80, metadata: "drop" },
    { background: "#000000", otherwise: "fail" },
  ],
  handles: ["output_format", "output_compression"],
  create: ({ formats, compression, default: preset, otherwise, ...how }) =>
    async function outputFormat(ctx, next) {
      const { request } = ctx;
      if (preset && request.output_format === undefined) {
        request.output_format = preset;
        ctx.change("output_format", { to: preset });
      }
      const { output_format: asked, output_compression: percent } = request;
      const foreign = asked !== undefined && !formats.includes(asked);
      // At 100 a picture is as good as it came.
      const anew = percent !== undefined && percent < 100 && (foreign || !compression);
      // A download only to check the provider's obedience is not worth its cost.
      const trusted = !foreign && !anew && how.metadata === "keep";
      // Before anything is paid for.
      if (!trusted) pixelWork.admit();
      if (foreign || anew) {
        delete request.output_compression;
        // Pictures that are encoded again are requested without loss.
        if (asked && formats.includes("png")) request.output_format = "png";
        else if (foreign) delete request.output_format;
      }
      const wish = { ...how, format: asked, anew, quality: Math.max(1, percent ?? how.quality) };
      await next(async (picture) => {
        // The facts by which outer steps judge a picture.
        if (asked) request.output_format = asked;
        const given = picture.data;
        if (given.kind === "url" && trusted) return picture;
        const looked = !trusted || (asked && given.kind === "stream" && sniff(given.head)?.mediaType !== `image/${asked}`);
        // A stream can be read once, and must be kept where the picture may stay as it came.
        const data = given.kind === "stream" && looked ? await ctx.spool.take(chunksOf(given), Infinity) : given;
        const excuse = (error: unknown) => {
          const ours = error instanceof GatewayError || error instanceof ProviderFailure;
          if (!ours || ctx.signal.aborted || otherwise === "fail" || how.metadata === "drop") throw error;
          return undefined;
        };
        const source = data.kind === "url" ? await ctx.fetchPicture(data.url, "provider").catch(excuse) : data;
        const made = source && (await transcode(source, wish, ctx).catch(excuse));
        if (data.kind === "url" && source?.kind === "stream") source.stream.destroy();
        const { mediaType } = made ?? (source && sniff(headOf(source))) ?? picture;
        const format = mediaType && formatName(mediaType);
        if (asked && format !== asked)
          ctx.change("output_format", format ? { from: asked, to: format } : { what: "not converted", from: asked });
        if (anew && (!made || format === "png")) ctx.change("output_compression", { what: "dropped", from: percent });
        if (made?.lost.transparency) ctx.change("background", { what: `flattened on ${how.background}` });
        if (made?.lost.credentials) ctx.change("content_credentials", { what: "dropped" });
        if (!made?.converted) return { ...picture, data };
        ctx.result.facts.output_format = format;
        const cameAsUrl = data.kind === "url" ? { cameAsUrl: true as const } : {};
        return { ...picture, ...cameAsUrl, data: made.data, mediaType, width: made.width, height: made.height };
      });
      if (asked) request.output_format = asked;
    },
});
