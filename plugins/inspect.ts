// Reads type and size of what came back, and reports a mismatch.
import { ProviderFailure } from "../src/errors.ts";
import { headOf } from "../src/picture/convert.ts";
import type { Picture } from "../src/picture/picture.ts";
import { formatName, sniff } from "../src/picture/sniff.ts";
import type { PluginContext } from "../src/plugin/context.ts";
import { definePlugin } from "../src/plugin/define.ts";
import { ratioOf, readSize, type Size } from "../src/size/parse.ts";

export default definePlugin({
  name: "inspect",
  summary: "Look at the pictures that came back: tell, or refuse, a size or format other than was asked for.",
  schema: {
    type: "object",
    additionalProperties: false,
    properties: {
      mismatch: {
        enum: ["report", "reject"],
        default: "report",
        description: "A picture of another size or format is reported as a change, or refused although it may have been paid for.",
      },
      fetch: {
        type: "boolean",
        default: false,
        description:
          "Fetch pictures given as URLs to look at them too; costs a download. Listed before `response-format`, it sees those which that fetched for the client anyway.",
      },
    },
  },
  examples: [{}, { mismatch: "reject", fetch: true }],
  create: ({ mismatch, fetch }) =>
    async function inspect(ctx, next) {
      await next(async (given, partial) => {
        const picture = await look(ctx, given, fetch);
        if (!partial) judge(ctx, picture, mismatch);
        return picture;
      });
    },
});

/** The request is as the inner plugins left it: a label that became pixels is judged by those. */
function judge(ctx: PluginContext, { mediaType, width, height }: Picture, mismatch: "report" | "reject"): void {
  const { size, output_format: format } = ctx.request;
  const wanted = size === undefined ? undefined : readSize(size);
  const tell = (field: string, from: string, to: string) => {
    if (mismatch === "reject")
      throw new ProviderFailure("bad_response", `${field} ${from} was asked for and a picture of ${to} came back`, { param: field });
    ctx.change(field, { from, to });
  };
  if (wanted && width && height && !isAsked(wanted, width, height)) tell("size", wanted.text, `${width}x${height}`);
  if (format && mediaType && formatName(mediaType) !== format) tell("output_format", format, formatName(mediaType));
}

/** A size of pixels is met to the pixel, and a ratio to four percent: the sides lie on a grid, and some providers' are three off. */
function isAsked({ width, height, ratio }: Size, madeWidth: number, madeHeight: number): boolean {
  if (width) return width === madeWidth && height === madeHeight;
  return ratio === undefined || Math.abs(madeWidth / madeHeight / ratioOf(ratio) - 1) <= 0.04;
}

async function look(ctx: PluginContext, picture: Picture, fetch: boolean): Promise<Picture> {
  if (picture.data.kind !== "url") return { ...picture, ...sniff(headOf(picture.data)) };
  if (!fetch || picture.data.own) return picture;
  const { head, stream } = await ctx.fetchPicture(picture.data.url, "provider");
  stream.destroy();
  return { ...picture, ...sniff(head) };
}
