// Hands input images to the provider in the form that it wants.
import { GatewayError } from "../src/errors.ts";
import { chunksOf, sizeOf } from "../src/picture/convert.ts";
import type { InputForm, InputImage } from "../src/picture/input.ts";
import { judgeMask } from "../src/picture/judge.ts";
import { convertMask, shrink } from "../src/picture/mask.ts";
import { pixelWork } from "../src/picture/pixels.ts";
import { toStill } from "../src/picture/still.ts";
import type { PluginContext } from "../src/plugin/context.ts";
import { definePlugin, untouched } from "../src/plugin/define.ts";
import { fetchedImage } from "../src/plugin/fetched-image.ts";

const positive = { type: "integer", minimum: 1 } as const;

export default definePlugin({
  name: "image-inputs",
  summary: "Give the provider the client's images in the form, number and size that it takes, and the mask in its polarity.",
  schema: {
    type: "object",
    additionalProperties: false,
    properties: {
      as: {
        enum: ["file", "base64", "data_uri", "integers", "url", "url_or_data_uri"],
        default: "file",
        description:
          "How `${request.images}` and `${request.mask}` are written: as files of a form, as text, as a list of bytes, or as URLs. A client's URL is fetched for all but the last two, which hand it on as it is. For `url`, a client's bytes are stored and lent under `PICTOR_PUBLIC_URL`; for `url_or_data_uri` they are data URIs.",
      },
      private_urls: {
        type: "boolean",
        default: false,
        description: "Let `as: url` and `url_or_data_uri` hand on a client's URL of a private address too.",
      },
      max: { ...positive, description: "Images of one request." },
      max_bytes: { ...positive, default: 50 * 1024 * 1024, description: "Bytes of one image." },
      max_side: { ...positive, description: "The longer side of an image, in pixels." },
      shrink: { type: "boolean", default: false, description: "Make larger images smaller, and report it, in place of refusing them." },
      types: {
        type: "array",
        items: { type: "string" },
        default: ["png", "jpeg", "webp", "gif", "avif"],
        description:
          "The types that the provider takes: `[png, jpeg, webp]`. An image of another one is converted where `png` is among them, and the answer says so; of an animation, the first frame.",
      },
      mask: {
        enum: ["alpha", "white", "black", "none"],
        default: "alpha",
        description: "What marks the pixels that may change: transparency, as it comes, or a colour; `none` refuses masks.",
      },
    },
  },
  examples: [{}, { as: "base64", max: 1, types: ["png", "jpeg"], mask: "white" }, { as: "url", max_side: 4096, shrink: true }],
  create: (options) => {
    const { as, max = Infinity, max_bytes: bytes, max_side: side = Infinity, private_urls: mayBePrivate, mask: polarity } = options;
    const handsOn = as === "url" || as === "url_or_data_uri";

    /** An image within the limits. An image that stays a URL cannot be judged. */
    async function fitting(ctx: PluginContext, image: InputImage, mayShrink: boolean): Promise<InputImage> {
      const { data, field, type, width = 0, height = 0 } = image;
      const refuse = (message: string) => new GatewayError("invalid_image_file", `${field} ${message}`, { param: field });
      if (data.kind === "url") return image;
      if (!options.types.some((name) => `image/${name}` === type)) {
        if (!options.types.includes("png")) throw refuse(`is ${type}; these are taken: ${options.types.join(", ")}`);
        const still = await toStill(image, ctx);
        ctx.change(field, { what: still.what });
        return fitting(ctx, still.image, mayShrink);
      }
      if (sizeOf(data) <= bytes && Math.max(width, height) <= side) return image;
      if (!mayShrink) throw refuse(sizeOf(data) > bytes ? `is larger than ${bytes} bytes` : `has a side of more than ${side} pixels`);
      const smaller = await pixelWork.take(width * height, ctx.signal, () => shrink(image, { side, bytes }), ctx);
      ctx.change(field, { from: `${width}x${height}`, to: `${smaller.width}x${smaller.height}` });
      return smaller;
    }

    async function prepare(ctx: PluginContext, image: InputImage, index: number, mayShrink: boolean): Promise<InputImage> {
      return fitting(ctx, handsOn ? image.with({ mayBePrivate }) : await fetchedImage(ctx, image, index, bytes), mayShrink);
    }

    return async function imageInputs(ctx, next) {
      const { images = [], mask } = ctx.request;
      if (images.length > max)
        throw new GatewayError("invalid_value", `${images.length} images are too many here; at most ${max} are taken`, { param: "image" });
      if (mask && polarity === "none")
        throw new GatewayError("unknown_parameter", "a mask is not taken by this model's channel; leave it out", { param: "mask" });
      const ready: InputImage[] = [];
      // A mask has the first image's pixels, so neither is made smaller where there is one.
      for (const [index, image] of images.entries()) ready.push(await prepare(ctx, image, index, options.shrink && !mask));
      if (ready.length > 0) ctx.request.images = await Promise.all(ready.map((image) => formed(ctx, image, as)));
      const [first] = ready;
      if (mask && first && polarity !== "none") {
        const own = handsOn && polarity !== "alpha" ? await fetchedImage(ctx, mask, 0, bytes) : await prepare(ctx, mask, 0, false);
        judgeMask(own, first);
        const { width = 0, height = 0 } = own;
        const turned = polarity === "alpha" ? own : await pixelWork.take(width * height, ctx.signal, () => convertMask(own, polarity), ctx);
        ctx.request.mask = await formed(ctx, turned, as);
      }
      await next(untouched);
    };
  },
});

async function formed(ctx: PluginContext, image: InputImage, as: InputForm | "url" | "url_or_data_uri"): Promise<InputImage> {
  const { field: param, data } = image;
  if (data.kind === "url") return image;
  // A picture of this gateway has its URL already.
  const known = ctx.store.reachable ? image.source : undefined;
  if (as !== "url" && !(as === "url_or_data_uri" && known)) return image.with({ form: as === "url_or_data_uri" ? "data_uri" : as });
  if (!ctx.store.reachable)
    throw new GatewayError("invalid_value", `${param} must be a URL here: this gateway has no public address to lend images at`, { param });
  return image.with({ data: { kind: "url", url: known ?? (await ctx.store.save(chunksOf(data))).url, own: true } });
}
