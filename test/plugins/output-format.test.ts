import { expect } from "chai";
import { Readable } from "node:stream";
import sharp from "sharp";
import { ProviderFailure } from "../../src/errors.ts";
import { pixelWork } from "../../src/picture/pixels.ts";
import { solidPng } from "../../src/picture/png.ts";
import type { PictureData } from "../../src/picture/picture.ts";
import { bytesOf } from "../picture/bytes-of.ts";
import { bytes, failureOf, run, url } from "./run.ts";

const noise = await sharp({
  create: { width: 64, height: 64, channels: 3, background: "red", noise: { type: "gaussian", mean: 128, sigma: 60 } },
})
  .png()
  .toBuffer();
const jpeg = await sharp(noise).jpeg({ quality: 95 }).toBuffer();
const webp = await sharp(noise).webp().toBuffer();

const typeOf = async (picture: { data: PictureData }) => (await sharp(await bytesOf(picture.data)).metadata()).mediaType;

describe("output-format", () => {
  it("converts what the provider cannot be asked for, without a word", async () => {
    const { sent, changes, result } = await run("output-format", {}, { output_format: "webp" }, () => ({
      pictures: [bytes(noise), bytes(noise)],
    }));
    expect(sent[0]).not.to.have.property("output_format");
    expect(await Promise.all(result.pictures.map(typeOf))).to.deep.equal(["image/webp", "image/webp"]);
    expect(result.pictures[0]).to.include({ mediaType: "image/webp", width: 64, height: 64 });
    expect(result.facts.output_format).to.equal("webp");
    expect(changes).to.deep.equal([]);
  });

  it("asks the provider for what it makes, and for a png where that is to be converted", async () => {
    const asked = async (options: object, request: object) =>
      (await run("output-format", options, request, () => ({}))).sent[0]?.output_format;
    expect(await asked({ formats: ["png", "jpeg"] }, { output_format: "jpeg" })).to.equal("jpeg");
    expect(await asked({ formats: ["png", "jpeg"] }, { output_format: "webp" })).to.equal("png");
    expect(await asked({ formats: ["png", "jpeg"] }, { output_format: "jpeg", output_compression: 50 })).to.equal("png");
    expect(await asked({ formats: ["jpeg"] }, { output_format: "webp" })).to.equal(undefined);
    expect(await asked({ formats: ["jpeg"] }, { output_format: "jpeg", output_compression: 50 })).to.equal("jpeg");
    expect(await asked({ formats: ["png"] }, {})).to.equal(undefined);
  });

  it("shows plugins further out the format that was asked for", async () => {
    const { ctx } = await run("output-format", { formats: ["png"] }, { output_format: "webp" }, () => ({}));
    expect(ctx.request.output_format).to.equal("webp");
  });

  it("mends a format that the provider was asked for and did not give, where it can see it", async () => {
    const { result, fetched } = await run("output-format", { formats: ["webp"] }, { output_format: "webp" }, () => ({
      pictures: [bytes(noise), url("1")],
    }));
    expect(await typeOf(result.pictures[0]!)).to.equal("image/webp");
    expect([fetched, result.pictures[1]]).to.deep.equal([[], url("1")]);
  });

  it("keeps the URL of a picture that is right already", async () => {
    const { result, fetched } = await run("output-format", {}, { output_format: "png" }, () => ({ pictures: [url("1")] }), { web: noise });
    expect(fetched).to.have.length(1);
    expect([result.pictures[0], result.facts]).to.deep.equal([url("1"), {}]);
  });

  it("says of a picture that it came as a URL", async () => {
    const { result } = await run("output-format", {}, { output_format: "jpeg" }, () => ({ pictures: [url("1"), bytes(noise)] }), {
      web: noise,
    });
    expect(result.pictures.map(({ cameAsUrl, mediaType }) => [cameAsUrl, mediaType])).to.deep.equal([
      [true, "image/jpeg"],
      [undefined, "image/jpeg"],
    ]);
  });

  describe("output_compression", () => {
    const size = async (options: object, request: object) => {
      const { result, sent, changes } = await run("output-format", options, request, () => ({ pictures: [bytes(jpeg)] }));
      return { length: (await bytesOf(result.pictures[0]!.data)).length, sent: sent[0], changes };
    };

    it("is the quality of what is converted, and webp loses nothing at 100", async () => {
      const [low, high] = [await size({}, { output_format: "webp", output_compression: 0 }), await size({}, { output_format: "webp" })];
      expect(low.length).to.be.lessThan(high.length);
      expect(low.sent).not.to.have.property("output_compression");
      const { result } = await run("output-format", {}, { output_format: "webp", output_compression: 100 }, () => ({
        pictures: [bytes(noise)],
      }));
      const made = await bytesOf(result.pictures[0]!.data);
      expect((await sharp(made).raw().toBuffer()).equals(await sharp(noise).raw().toBuffer())).to.equal(true);
    });

    it("makes a picture of the right format smaller", async () => {
      for (const request of [{ output_compression: 20 }, { output_format: "jpeg", output_compression: 20 }])
        expect((await size({ formats: ["jpeg"] }, request)).length).to.be.lessThan(jpeg.length);
    });

    it("is left to a provider that honours it, and at 100 there is nothing to do", async () => {
      const own = await size({ formats: ["jpeg"], compression: true }, { output_format: "jpeg", output_compression: 20 });
      expect([own.length, own.sent?.output_compression]).to.deep.equal([jpeg.length, 20]);
      expect((await size({}, { output_compression: 100 })).length).to.equal(jpeg.length);
    });

    it("means nothing for a png, and that is told", async () => {
      const dropped = [{ field: "output_compression", what: "dropped", from: 20 }];
      expect((await size({}, { output_format: "png", output_compression: 20 })).changes).to.deep.equal(dropped);
      const { changes } = await run("output-format", {}, { output_compression: 20 }, () => ({ pictures: [bytes(noise)] }));
      expect(changes).to.deep.equal(dropped);
    });
  });

  it("has a format for those who ask for none, and tells it", async () => {
    const { result, changes } = await run("output-format", { default: "webp" }, {}, () => ({ pictures: [bytes(noise)] }));
    expect(await typeOf(result.pictures[0]!)).to.equal("image/webp");
    expect(changes).to.deep.equal([{ field: "output_format", to: "webp" }]);
    const { changes: none } = await run("output-format", { default: "webp" }, { output_format: "png" }, () => ({
      pictures: [bytes(noise)],
    }));
    expect(none).to.deep.equal([]);
  });

  it("tells what was lost: transparency and content credentials", async () => {
    const clear = await sharp({ create: { width: 4, height: 4, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0.5 } } })
      .png()
      .toBuffer();
    const signed = Buffer.concat([clear, Buffer.from("jumdc2pa")]);
    const { changes } = await run("output-format", { background: "#00ff00" }, { output_format: "jpeg" }, () => ({
      pictures: [bytes(signed)],
    }));
    expect(changes).to.deep.equal([
      { field: "background", what: "flattened on #00ff00" },
      { field: "content_credentials", what: "dropped" },
    ]);
  });

  it("takes metadata out of every picture, also of those behind URLs", async () => {
    const web = await sharp(noise)
      .withExif({ IFD0: { Copyright: "me" } })
      .png()
      .toBuffer();
    const { result, fetched } = await run("output-format", { metadata: "drop" }, {}, () => ({ pictures: [url("1"), bytes(web)] }), { web });
    expect(fetched).to.have.length(1);
    for (const { data } of result.pictures) expect((await sharp(await bytesOf(data)).metadata()).exif).to.equal(undefined);
  });

  describe("a picture that cannot be converted", () => {
    const broken = noise.subarray(0, noise.length / 2);

    it("stays as it came, and that is told", async () => {
      const pictures = [bytes(broken), bytes(noise), url("1")];
      const { result, changes } = await run("output-format", {}, { output_format: "webp" }, () => ({ pictures }), { web: broken });
      expect([result.pictures[0], result.pictures[2]]).to.deep.equal([pictures[0], pictures[2]]);
      expect(await typeOf(result.pictures[1]!)).to.equal("image/webp");
      expect(changes).to.deep.include({ field: "output_format", from: "webp", to: "png" });
    });

    it("is the provider's URL still where it cannot be fetched, and that is told", async () => {
      const { result, changes } = await run("output-format", {}, { output_format: "webp" }, () => ({ pictures: [url("gone")] }));
      expect(result.pictures).to.deep.equal([url("gone")]);
      expect(changes).to.deep.equal([{ field: "output_format", what: "not converted", from: "webp" }]);
    });

    it("keeps its size too, and that is told", async () => {
      const half = jpeg.subarray(0, jpeg.length / 2);
      const { changes } = await run("output-format", {}, { output_compression: 20 }, () => ({ pictures: [bytes(half)] }));
      expect(changes).to.deep.equal([{ field: "output_compression", what: "dropped", from: 20 }]);
    });

    it("is told for what it is, where not even that is known", async () => {
      const pictures = [{ ...bytes(Buffer.from("<svg></svg>")), mediaType: "image/svg+xml" }];
      const { result, changes } = await run("output-format", {}, { output_format: "png" }, () => ({ pictures }));
      expect(result.pictures).to.deep.equal(pictures);
      expect(changes).to.deep.equal([{ field: "output_format", from: "png", to: "svg" }]);
    });

    it("stays as it came, and whole, where it could be read but once", async () => {
      const arriving = (whole: Buffer) => ({
        data: { kind: "stream" as const, head: whole.subarray(0, 100), stream: Readable.from([whole.subarray(100)]) },
      });
      for (const [options, request, whole] of [
        [{}, { output_format: "webp" }, broken],
        [{ formats: ["webp"] }, { output_format: "webp" }, broken],
        [{ metadata: "drop" }, {}, noise],
      ] as const) {
        const { result } = await run("output-format", options, request, () => ({ pictures: [arriving(whole)] }));
        expect((await bytesOf(result.pictures[0]!.data)).equals(whole)).to.equal(true);
      }
    });

    for (const [name, options, picture] of [
      ["where that is wanted", { otherwise: "fail" }, bytes(broken)],
      ["where its metadata has to go", { metadata: "drop" }, bytes(broken)],
    ] as const) {
      it(`counts as failed ${name}`, async () => {
        const request = { output_format: "webp" };
        const { result } = await run("output-format", options, request, () => ({ pictures: [picture, bytes(noise)] }));
        expect(result.errors).to.deep.equal([
          { message: "the picture that came back is broken: it cannot be decoded", code: "bad_upstream_response" },
        ]);
        expect(result.pictures).to.have.length(1);
        expect(await failureOf(run("output-format", options, request, () => ({ pictures: [picture] })))).to.be.instanceOf(ProviderFailure);
      });
    }

    it("ends all where the client is gone", async () => {
      const client = new AbortController();
      const failing = run(
        "output-format",
        {},
        { output_format: "webp" },
        () => {
          client.abort(new Error("hung up"));
          return { pictures: [bytes(webp), bytes(noise)] };
        },
        { signal: client.signal },
      );
      expect((await failureOf(failing)).message).to.equal("hung up");
    });
  });

  it("orders nothing that it could not convert, since too much is being converted", async () => {
    let open!: () => void;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const never = new AbortController().signal;
    const crowd = Array.from({ length: 10 }, () => pixelWork.take(100_000_000, never, () => gate));
    try {
      let ordered = 0;
      const ask = (request: object) =>
        run("output-format", { formats: ["png"] }, request, () => ({ pictures: [bytes(solidPng(8, ++ordered))] }));
      expect(await failureOf(ask({ output_format: "webp" }))).to.include({ code: "no_channel_available", status: 503 });
      expect(ordered).to.equal(0);
      await ask({ output_format: "png" });
      expect(ordered).to.equal(1);
    } finally {
      open();
      await Promise.all(crowd);
    }
  });

  it("lets what was ordered wait in the line however long that has become meanwhile, since it may be paid for", async () => {
    let open!: () => void;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const never = new AbortController().signal;
    const crowd: Promise<void>[] = [];
    const running = run("output-format", { otherwise: "fail" }, { output_format: "webp" }, () => {
      for (let count = 0; count < 10; count += 1) crowd.push(pixelWork.take(100_000_000, never, () => gate));
      return { pictures: [bytes(noise)] };
    });
    try {
      const soon = new Promise((resolve) => setTimeout(resolve, 50, "it waits"));
      expect(await Promise.race([running.then(() => "it is done", String), soon])).to.equal("it waits");
    } finally {
      open();
      await Promise.all(crowd);
    }
    expect(await typeOf((await running).result.pictures[0]!)).to.equal("image/webp");
  });
});
