import { setImmediate } from "node:timers/promises";
import { expect } from "chai";
import sharp from "sharp";
import { GatewayError, ProviderFailure } from "../../src/errors.ts";
import { bytesPiece, InputImage } from "../../src/picture/input.ts";
import { pixelWork } from "../../src/picture/pixels.ts";
import { solidPng } from "../../src/picture/png.ts";
import type { PluginContext } from "../../src/plugin/context.ts";
import { failureOf, run } from "./run.ts";

const small = solidPng(8, 8);

function image(bytes: Buffer, field = "image", width = 8, height = 8): InputImage {
  return new InputImage({ data: { kind: "bytes", bytes }, field, name: "a.png", type: "image/png", width, height });
}

function linked(url: string, field = "image"): InputImage {
  return new InputImage({ data: { kind: "url", url }, field, name: field });
}

/** The request as the provider would get it. */
async function prepared(
  options: object,
  request: { images?: InputImage[]; mask?: InputImage },
  around: Partial<PluginContext> & { web?: Buffer } = {},
) {
  let inner: PluginContext["request"] | undefined;
  const ran = await run(
    "image-inputs",
    options,
    {},
    (ctx) => {
      inner = ctx.request;
      return {};
    },
    { ...around, request: { model: "m", prompt: "p", n: 1, ...request } },
  );
  return { ...ran, images: inner?.images ?? [], mask: inner?.mask };
}

async function bytesOf({ data }: InputImage): Promise<Buffer> {
  if (data.kind === "url") throw new Error("it is a URL");
  const chunks: Buffer[] = [];
  for await (const chunk of bytesPiece(data).chunks()) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function tiff(): Promise<InputImage> {
  return image(await sharp(small).tiff().toBuffer()).with({ type: "image/tiff" });
}

async function transparent(): Promise<Buffer> {
  return sharp({ create: { width: 8, height: 8, channels: 4, background: { r: 1, g: 2, b: 3, alpha: 0 } } })
    .png()
    .toBuffer();
}

describe("image-inputs", () => {
  it("does nothing to a request without images", async () => {
    const { images, mask, changes } = await prepared({}, {});
    expect([images, mask, changes]).to.deep.equal([[], undefined, []]);
  });

  for (const as of ["file", "base64", "data_uri", "integers"]) {
    it(`hands images on as ${as}, and fetches those that are elsewhere`, async () => {
      const { images, fetched } = await prepared({ as }, { images: [image(small), linked("https://b.example/cat", "images[1]")] });
      expect(images.map(({ form, field, type, width }) => [form, field, type, width])).to.deep.equal([
        [as, "image", "image/png", 8],
        [as, "images[1]", "image/png", 8],
      ]);
      expect((await bytesOf(images[1]!)).equals(small)).to.equal(true);
      expect(images[1]!.name).to.equal("image-2.png");
      expect(fetched).to.deep.equal(["https://b.example/cat"]);
    });
  }

  it("gives URLs to a provider that takes only those, and stores what has none", async () => {
    const stored: Buffer[] = [];
    const store: PluginContext["store"] = {
      save: async (chunks) => {
        for await (const chunk of chunks) stored.push(chunk);
        return { url: "https://own.example/1", mediaType: "image/png", bytes: 1 };
      },
      reachable: true,
    };
    const { images, fetched } = await prepared({ as: "url" }, { images: [linked("https://b.example/cat"), image(small)] }, { store });
    expect(images.map(({ url }) => url)).to.deep.equal(["https://b.example/cat", "https://own.example/1"]);
    expect([Buffer.concat(stored).equals(small), fetched]).to.deep.equal([true, []]);
  });

  it("cannot lend an image where nobody can fetch it", async () => {
    const error = await failureOf(prepared({ as: "url" }, { images: [image(small, "image[0]")] }));
    expect(error).to.include({ code: "invalid_value", param: "image[0]" });
  });

  for (const [polarity, grey] of [
    ["white", 255],
    ["black", 0],
  ] as const) {
    it(`turns a mask into ${polarity}, also one that is elsewhere`, async () => {
      const web = await transparent();
      for (const [mask, as] of [
        [image(web, "mask"), "base64"],
        [linked("https://b.example/mask", "mask"), "base64"],
        [linked("https://b.example/mask", "mask"), "url"],
      ] as const) {
        const around = { web, store: { save: saveAll, reachable: true } };
        const made = await prepared({ as, mask: polarity }, { images: [image(small)], mask }, around);
        const bytes = as === "url" ? saved.at(-1)! : await bytesOf(made.mask!);
        expect([...(await sharp(bytes).toColourspace("b-w").raw().toBuffer())]).to.deep.equal(Array(64).fill(grey));
      }
    });
  }

  const saved: Buffer[] = [];
  async function saveAll(chunks: AsyncIterable<Buffer>) {
    const parts: Buffer[] = [];
    for await (const chunk of chunks) parts.push(chunk);
    saved.push(Buffer.concat(parts));
    return { url: `https://own.example/${saved.length}`, mediaType: "image/png", bytes: 1 };
  }

  it("leaves a transparent mask as it came", async () => {
    const mask = image(await transparent(), "mask");
    const { mask: made } = await prepared({ mask: "alpha" }, { images: [image(small)], mask });
    expect((await bytesOf(made!)).equals(await bytesOf(mask))).to.equal(true);
  });

  for (const [what, options, request, code, param] of [
    ["more images than the provider takes", { max: 1 }, { images: [image(small), image(small)] }, "invalid_value", "image"],
    ["a mask where none is taken", { mask: "none" }, { images: [image(small)], mask: image(small, "mask") }, "unknown_parameter", "mask"],
    ["another type", { types: ["jpeg", "webp"] }, { images: [image(small)] }, "invalid_image_file", "image"],
    ["too many bytes", { max_bytes: 10 }, { images: [image(small, "image[0]")] }, "invalid_image_file", "image[0]"],
    ["too long a side", { max_side: 4 }, { images: [image(small)] }, "invalid_image_file", "image"],
    [
      "what would have to shrink beside a mask",
      { max_side: 4, shrink: true },
      { images: [image(small)], mask: image(small, "mask") },
      "invalid_image_file",
      "image",
    ],
    ["a URL that leads nowhere", {}, { images: [linked("https://gone.example/")] }, "invalid_image_file", "image"],
    ["a URL with too much behind it", { max_bytes: 10 }, { images: [linked("https://b.example/")] }, "request_too_large", "image"],
    [
      "a mask elsewhere of another size",
      {},
      { images: [image(solidPng(16, 8), "image", 16, 8)], mask: linked("https://b.example/", "mask") },
      "invalid_image_file",
      "mask",
    ],
  ] as [string, object, { images: InputImage[]; mask?: InputImage }, string, string][]) {
    it(`refuses ${what}`, async () => {
      const error = await failureOf(prepared(options, request));
      expect(error).to.be.instanceOf(GatewayError).and.include({ code, param });
    });
  }

  it("refuses what a URL holds when it is no picture", async () => {
    const error = await failureOf(prepared({}, { images: [linked("https://b.example/")] }, { web: Buffer.from("<html>") }));
    expect(error).to.include({ code: "invalid_image_file", param: "image" });
  });

  it("converts what a URL holds once for all attempts, and tells it in each", async () => {
    const web = await sharp(small).gif().toBuffer();
    const given = linked("https://b.example/cat");
    const attempts = [];
    for (const types of [["png"], ["png", "jpeg"]]) attempts.push(await prepared({ types }, { images: [given] }, { web }));
    for (const { images, changes } of attempts) {
      expect(images[0]).to.include({ type: "image/png", width: 8, height: 8, name: "image.png" });
      expect(changes).to.deep.equal([{ field: "image", what: "gif converted to png" }]);
    }
    expect(attempts[0]!.images[0]!.data).to.equal(attempts[1]!.images[0]!.data);
  });

  it("does not blame the client's URL when the client is gone", async () => {
    const around = { signal: AbortSignal.abort() };
    expect(await failureOf(prepared({}, { images: [linked("https://gone.example/")] }, around))).to.be.instanceOf(ProviderFailure);
  });

  it("makes images smaller only where the channel says so, and tells it", async () => {
    const { images, changes } = await prepared({ max_side: 4, shrink: true }, { images: [image(small)] });
    expect([images[0]!.width, images[0]!.height]).to.deep.equal([4, 4]);
    expect(changes).to.deep.equal([{ field: "image", from: "8x8", to: "4x4" }]);
  });

  describe("in the line for pixel work", () => {
    /** The line with room for one more image of 8x8, which has to wait until it is told to go on. */
    function crowd(pixels = 1_000_000_000 - 64) {
      let goOn!: () => void;
      const gate = new Promise<void>((resolve) => (goOn = resolve));
      const never = new AbortController().signal;
      const works = [pixelWork.take(pixels, never, () => gate), ...Array.from({ length: 3 }, () => pixelWork.take(0, never, () => gate))];
      return { goOn: () => (goOn(), Promise.all(works)) };
    }

    const full = () => {
      try {
        pixelWork.admit();
        return false;
      } catch {
        return true;
      }
    };

    for (const [what, options, request] of [
      ["a mask that is turned", { mask: "white" }, async () => ({ images: [image(small)], mask: image(await transparent(), "mask") })],
      ["an image that is converted", { types: ["png"] }, async () => ({ images: [await tiff()] })],
      ["an image that is made smaller", { max_side: 4, shrink: true }, () => Promise.resolve({ images: [image(small)] })],
    ] as const) {
      it(`${what} waits for its turn`, async () => {
        const { goOn } = crowd();
        const state = { sent: false };
        const working = prepared(options, await request()).then(() => (state.sent = true));
        try {
          while (!full() && !state.sent) await setImmediate();
          // All that may run is held by the others, and its own pixels count already.
          expect(state.sent).to.equal(false);
        } finally {
          await goOn();
        }
        await working;
        expect(full()).to.equal(false);
      });

      it(`${what} is refused where the line is full, and told when to come again`, async () => {
        const { goOn } = crowd(1_000_000_000);
        try {
          const error = await failureOf(prepared(options, await request()));
          expect(error).to.be.instanceOf(GatewayError).and.include({ status: 503, code: "no_channel_available", retryAfter: 1 });
        } finally {
          await goOn();
        }
      });

      it(`${what} leaves the line with its client`, async () => {
        const { goOn } = crowd();
        const client = new AbortController();
        const working = failureOf(prepared(options, await request(), { signal: client.signal }));
        try {
          while (!full()) await setImmediate();
          client.abort(new Error("the client is gone"));
          expect((await working).message).to.equal("the client is gone");
          expect(full()).to.equal(false);
        } finally {
          await goOn();
        }
      });
    }
  });
});
