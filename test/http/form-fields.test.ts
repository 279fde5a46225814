// What clients mean by the fields of a form, and by those of JSON that stand for images.
import { expect } from "chai";
import OpenAI, { toFile } from "openai";
import { dataUri, formOf, image, named, png, startFormHouse, text, type FormHouse, type Part } from "./form-house.ts";
import { errorOf } from "./setup.ts";

describe("http: the fields of a request", () => {
  let house: FormHouse;
  before(async () => {
    house = await startFormHouse();
  });
  beforeEach(() => house.forget());
  after(() => house.close());

  describe("with objects and lists", () => {
    it("as the OpenAI SDK writes them is read back into what they were", async () => {
      const client = new OpenAI({ baseURL: `${house.url}/v1`, apiKey: house.key, maxRetries: 0 });
      const more = {
        style: { mood: "calm", "two words": { deep: "yes" } },
        metadata: { order: { id: "12" } },
        tags: ["a", "b"],
        tune: { steps: 4 },
      };
      await client.images.edit({ model: "open", prompt: "a hat", image: await toFile(png, "a.png", { type: "image/png" }), ...more });
      expect(house.sent()[0]).to.deep.include(more);
    });

    it("called __proto__ has fields of these names", async () => {
      const form = formOf([text("model", "open"), text("prompt", "a hat"), image, text("style[__proto__][n]", "2")]);
      const { style } = await house.served(await house.post(form));
      expect(JSON.stringify(style)).to.equal('{"__proto__":{"n":"2"}}');
      expect(({} as { n?: number }).n).to.equal(undefined);
    });

    for (const [what, parts, param] of [
      ["twice", [text("style[a]", "1"), text("style[a]", "2")], "style[a]"],
      ["as a text and as an object", [text("style", "1"), text("style[a]", "2")], "style[a]"],
      ["as a list and as an object", [text("tags[]", "1"), text("tags[a]", "2")], "tags[a]"],
    ] as [string, Part[], string][])
      it(`that are there ${what} is refused`, async () => {
        await errorOf(await house.postParts(image, ...parts), 400, "invalid_value", param);
      });

    it("nested two thousand deep is refused", async () => {
      await errorOf(
        await house.postParts(image, text("style", `${'{"a":'.repeat(2000)}1${"}".repeat(2000)}`)),
        400,
        "invalid_value",
        "style",
      );
      await errorOf(await house.postParts(text("image", `${"[".repeat(2000)}1${"]".repeat(2000)}`)), 400, "invalid_json");
    });
  });

  describe("that hold a picture and are no images", () => {
    const other = (name: string, bytes: Buffer, file = "m.png"): Part => [
      `${named(name, `; filename="${file}"`)}\r\ncontent-type: image/png`,
      bytes,
    ];

    it("have its base64, also of a file", async () => {
      const form = formOf([
        text("model", "open"),
        text("prompt", "a hat"),
        image,
        other("markup", png),
        text("again", png.toString("base64")),
      ]);
      const base64 = png.toString("base64");
      expect(await house.served(await house.post(form))).to.deep.include({ markup: base64, again: base64 });
    });

    it("are texts in JSON, however long they are within the limit of all", async () => {
      const markup = Buffer.concat([png, Buffer.alloc(200_000, 7)]).toString("base64");
      const sent = await house.served(
        await house.postJson({ model: "open", image: dataUri, markup, more: { uri: `data:image/png;base64,${markup}` } }),
      );
      expect(sent).to.deep.include({ markup, more: { uri: `data:image/png;base64,${markup}` } });
    });

    it("are refused beyond it", async () => {
      const large = Buffer.concat([png, Buffer.alloc(1_100_000, 7)]);
      await errorOf(await house.postJson({ model: "open", image: dataUri, markup: large.toString("base64") }), 413, "request_too_large");
      await errorOf(await house.postParts(image, other("markup", large)), 413, "request_too_large", "markup");
    });

    it("are refused as a file that is no picture", async () => {
      const { message } = await errorOf(
        await house.postParts(image, other("markup", Buffer.from("words"), "m.txt")),
        400,
        "invalid_type",
        "markup",
      );
      expect(message).to.include("markup is a file and no picture");
    });
  });

  describe("whose fields are empty", () => {
    const optional = [
      "quality",
      "size",
      "response_format",
      "background",
      "output_format",
      "moderation",
      "input_fidelity",
      "n",
      "stream",
      "seed",
      "mask",
    ];
    for (const value of ["", "null"])
      it(`is served as if they were not there: ${JSON.stringify(value)}`, async () => {
        const parts = optional.map((name) => text(name, value));
        const got = await house.served(await house.post(formOf([text("model", "gpt-image-1"), text("prompt", "a hat"), image, ...parts])));
        expect(got).to.deep.equal({
          model: "gpt-image-1",
          prompt: "a hat",
          n: 1,
          quality: "auto",
          response_format: "b64_json",
          images: [dataUri],
        });
      });

    it("is served in JSON too", async () => {
      const empty = Object.fromEntries(optional.filter((name) => !["n", "stream", "seed"].includes(name)).map((name) => [name, ""]));
      const got = await house.served(
        await house.postJson({ model: "gpt-image-1", image: { url: "", b64_json: png.toString("base64") }, images: [], ...empty }),
      );
      expect(got).to.deep.equal({ model: "gpt-image-1", prompt: "a hat", n: 1, quality: "auto", images: [dataUri] });
    });

    it("misses its model, its prompt and its image", async () => {
      await errorOf(
        await house.post(formOf([text("model", ""), text("prompt", "a hat"), image])),
        400,
        "missing_required_parameter",
        "model",
      );
      await errorOf(
        await house.post(formOf([text("model", "demo"), text("prompt", ""), image])),
        400,
        "missing_required_parameter",
        "prompt",
      );
      await errorOf(await house.postParts(text("image", "")), 400, "missing_required_parameter", "image");
      for (const nothing of ["", null, [], [""]])
        await errorOf(await house.postJson({ model: "demo", image: nothing }), 400, "missing_required_parameter", "image");
    });

    it("keeps its only images: an empty one among others is refused", async () => {
      for (const nothing of ["", null])
        await errorOf(await house.postJson({ model: "demo", image: [dataUri, nothing] }), 400, "invalid_image_file", "image[1]");
    });
  });

  describe("whose image has another name", () => {
    for (const [name, value] of [
      ["image_url", dataUri],
      ["image_urls", [dataUri]],
      ["input_image", { image_url: dataUri }],
      ["image[]", [dataUri]],
      ["url", dataUri],
    ] as [string, unknown][])
      it(`is read from ${name}`, async () => {
        expect((await house.served(await house.postJson({ model: "demo", [name]: value }))).images).to.deep.equal([dataUri]);
        house.forget();
        const written = typeof value === "string" ? value : JSON.stringify(value);
        expect((await house.served(await house.postParts(text(name, written)))).images).to.deep.equal([dataUri]);
      });

    for (const value of [JSON.stringify([dataUri, dataUri]), JSON.stringify({ images: 1 })])
      it(`is read from a text in JSON: ${value.slice(0, 3)}`, async () => {
        const response = await house.postParts(text("image", value));
        if (value.startsWith("[")) expect((await house.served(response)).images).to.deep.equal([dataUri, dataUri]);
        else await errorOf(response, 400, "invalid_type", "image");
      });

    it("is told which of its fields is not read", async () => {
      const { message } = await errorOf(
        await house.postJson({ model: "demo", picture: dataUri }),
        400,
        "missing_required_parameter",
        "image",
      );
      expect(message).to.include("picture is not read as one");
    });

    it("is refused where image is there as well, and never left out", async () => {
      await errorOf(await house.postJson({ model: "demo", image: dataUri, image_url: dataUri }), 400, "unknown_parameter", "image_url");
      await errorOf(
        await house.postJson({ model: "demo", image: dataUri, mask: dataUri, mask_url: dataUri }),
        400,
        "unknown_parameter",
        "mask_url",
      );
    });
  });

  it("that asks a model for the quality standard, which it does not know, gets auto and is told", async () => {
    const response = await house.post(formOf([text("model", "gpt-image-1"), text("prompt", "a hat"), text("quality", "standard"), image]));
    expect(response.headers.get("x-pictor-changes")).to.equal("quality=standard>auto");
    expect(await house.served(response)).to.include({ quality: "auto" });
    const { message } = await errorOf(
      await house.postJson({ model: "gpt-image-1", image: dataUri, quality: "hd" }),
      400,
      "invalid_value",
      "quality",
    );
    expect(message).to.include("auto, low, medium, high");
  });
});
