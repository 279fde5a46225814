import { readdir } from "node:fs/promises";
import { once } from "node:events";
import { deflateSync } from "node:zlib";
import { expect } from "chai";
import { usualLimits } from "../../src/http/input-limits.ts";
import { pngChunk, solidPng } from "../../src/picture/png.ts";
import { createSpool } from "../../src/picture/spool.ts";
import { channelFolder } from "../helpers/channels.ts";
import { dial, errorOf, reply, startHouse, until, type House } from "../http/setup.ts";

const png = solidPng(16, 16);

/** A PNG whose header says these pixels and whose data are others'. */
function lying(width: number, height: number, rows: Buffer): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 1;
  const signature = Buffer.from("89504e470d0a1a0a", "hex");
  return Buffer.concat([signature, pngChunk("IHDR", header), pngChunk("IDAT", deflateSync(rows)), pngChunk("IEND", Buffer.alloc(0))]);
}

/** A PNG whose header says that it is as long as two gigabytes. */
const endless = Buffer.concat([png.subarray(0, 8), Buffer.from("7fffffff", "hex"), png.subarray(12)]);

type Part = [name: string, value: string | Buffer, fileName?: string];

function formOf(...parts: Part[]): FormData {
  const form = new FormData();
  for (const [name, value, fileName] of parts) {
    if (typeof value === "string") form.append(name, value);
    else form.append(name, new Blob([new Uint8Array(value)], { type: "image/png" }), fileName ?? "a.png");
  }
  return form;
}

const plain: Part[] = [
  ["model", "demo"],
  ["prompt", "a hat"],
];

describe("an edit", () => {
  let house: House;
  let folder: { folder: string; remove: () => Promise<void> };
  before(async () => {
    folder = await channelFolder({});
    house = await startHouse((_call, response) => reply(response, { created: 1, data: [{ b64_json: png.toString("base64") }] }), {
      // Everything becomes a file at once, so that what is left behind would be seen.
      spool: createSpool({ folder: `${folder.folder}/tmp`, largest: 1 }),
      inputLimits: { ...usualLimits, file: 200_000, bytes: 200_000, body: 2_000_000, idle: 1000 },
    });
  });
  after(async () => {
    await house.close();
    await folder.remove();
  });
  afterEach(async () => {
    const left = async () => (await readdir(`${folder.folder}/tmp`).catch(() => [])).length;
    await until(async () => (await left()) === 0, "nothing is left on disk");
  });

  const post = (body: FormData | object, path = "/v1/images/edits") =>
    fetch(house.url + path, {
      method: "POST",
      headers: {
        authorization: `Bearer ${house.key}`,
        ...(body instanceof FormData ? {} : { "content-type": "application/json" }),
      },
      body: body instanceof FormData ? body : JSON.stringify(body),
    });

  for (const [what, parts, status, code, param] of [
    ["no image", [], 400, "missing_required_parameter", "image"],
    ["a mask alone", [["mask", png]], 400, "missing_required_parameter", "image"],
    ["text where a file belongs", [["image", "my cat"]], 400, "invalid_image_file", "image"],
    ["0 bytes", [["image", Buffer.alloc(0)]], 400, "invalid_image_file", "image"],
    [
      "a second image of 0 bytes",
      [
        ["image[]", png],
        ["image[]", Buffer.alloc(0)],
      ],
      400,
      "invalid_image_file",
      "image[1]",
    ],
    ["a text file", [["image", Buffer.from("my cat")]], 400, "invalid_image_file", "image"],
    ["an SVG", [["image", Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), "a.svg"]], 400, "invalid_image_file", "image"],
    ["a PNG with more pixels than it says", [["image", lying(8, 8, Buffer.alloc(2000))]], 400, "invalid_image_file", "image"],
    ["a PNG with fewer pixels than it says", [["image", lying(64, 64, Buffer.alloc(20))]], 400, "invalid_image_file", "image"],
    ["a PNG whose header has no end", [["image", endless]], 400, "invalid_image_file", "image"],
    ["a PNG that is cut", [["image", png.subarray(0, -12)]], 400, "invalid_image_file", "image"],
    ["a PNG of nothing but its signature", [["image", png.subarray(0, 8)]], 400, "invalid_image_file", "image"],
    [
      "a PNG whose data are none",
      [["image", Buffer.concat([png.subarray(0, 41), Buffer.alloc(30, 7)])]],
      400,
      "invalid_image_file",
      "image",
    ],
    ["900 megapixels", [["image", lying(30_000, 30_000, Buffer.alloc(200_000))]], 400, "invalid_image_file", "image"],
    ["17 images", Array.from({ length: 17 }, (): Part => ["image[]", png]), 400, "invalid_value", "image"],
    [
      "a mask of another size",
      [
        ["image", png],
        ["mask", solidPng(8, 16)],
      ],
      400,
      "invalid_image_file",
      "mask",
    ],
    [
      "two masks",
      [
        ["image", png],
        ["mask", png],
        ["mask", png],
      ],
      400,
      "invalid_value",
      "mask",
    ],
    ["an image that is too large", [["image", Buffer.concat([png, Buffer.alloc(300_000)])]], 413, "request_too_large", "image"],
    [
      "a body that is too large",
      Array.from({ length: 16 }, (): Part => ["image[]", Buffer.alloc(190_000)]),
      413,
      "request_too_large",
      undefined,
    ],
    ["a file where a text belongs", [["prompt", png]], 400, "invalid_type", "prompt"],
    [
      "a text twice",
      [
        ["image", png],
        ["user", "a"],
        ["user", "b"],
      ],
      400,
      "invalid_value",
      "user",
    ],
    [
      "a number that is none",
      [
        ["image", png],
        ["n", "two"],
      ],
      400,
      "invalid_type",
      "n",
    ],
    [
      "an unknown field",
      [
        ["image", png],
        ["colour", "red"],
      ],
      400,
      "unknown_parameter",
      "colour",
    ],
    [
      "a text without end",
      [
        ["image", png],
        ["user", "u".repeat(1_100_000)],
      ],
      413,
      "request_too_large",
      "user",
    ],
    ["too many parts", Array.from({ length: 140 }, (_, at): Part => [`f${at}`, "x"]), 400, "invalid_image_file", undefined],
  ] as [string, Part[], number, string, string | undefined][]) {
    it(`with ${what} is refused`, async () => {
      const response = await post(formOf(...plain, ...parts));
      const body = (await response.json()) as { error: { code: string; param: string } };
      expect([response.status, body.error.code], JSON.stringify(body)).to.deep.equal([status, code]);
      if (param !== undefined) expect(body.error.param).to.equal(param);
      expect(body.error.param).to.be.a("string");
    });
  }

  const base64 = png.toString("base64");
  for (const [what, body, code, param] of [
    ["a file's id", { images: [{ file_id: "file-1" }] }, "invalid_value", "images[0].file_id"],
    ["a number", { image: 7 }, "invalid_type", "image"],
    ["an empty object", { image: [base64, {}] }, "invalid_type", "image[1]"],
    ["no image at all", { image: [] }, "missing_required_parameter", "image"],
    ["an address that is none", { image: "http://" }, "invalid_image_file", "image"],
    ["a data URI of text", { image: "data:text/plain,hello" }, "invalid_image_file", "image"],
    ["base64 of no picture", { images: [Buffer.from("hello world!").toString("base64")] }, "invalid_image_file", "images[0]"],
    ["17 images", { images: Array.from({ length: 17 }, () => base64) }, "invalid_value", "images"],
    ["a mask that is no image", { image: base64, mask: { image_url: "x y" } }, "invalid_image_file", "mask"],
  ] as [string, object, string, string][]) {
    it(`of JSON with ${what} is refused`, async () => {
      await errorOf(await post({ model: "demo", prompt: "a hat", ...body }), 400, code, param);
    });
  }

  it("of JSON with an image that is too large is refused", async () => {
    const image = Buffer.concat([png, Buffer.alloc(300_000)]).toString("base64");
    await errorOf(await post({ model: "demo", prompt: "a hat", image }), 413, "request_too_large", "image");
  });

  it("of a model that cannot edit is refused with what it can", async () => {
    const { message } = await errorOf(await post({ model: "acme/open", prompt: "x", image: base64 }), 400, "invalid_value", "model");
    expect(message).to.include("generate");
    await errorOf(await post({ model: "acme/open", prompt: "x", image: base64 }, "/v1/images/generations"), 400, "invalid_value", "image");
  });

  /** A form as it goes over the wire, and what became of its connection. */
  async function send(body: string | Buffer, { boundary = "x", length = 100_000 } = {}) {
    const socket = await dial(house.url);
    let answer = "";
    socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
    socket.write(
      `POST /v1/images/edits HTTP/1.1\r\nhost: g\r\nauthorization: Bearer ${house.key}\r\ncontent-type: multipart/form-data${boundary && `; boundary=${boundary}`}\r\ncontent-length: ${length}\r\n\r\n`,
    );
    socket.write(body);
    return { socket, answered: () => until(() => answer.includes("\r\n\r\n{"), "an answer").then(() => answer) };
  }

  const head = '--x\r\ncontent-disposition: form-data; name="image"; filename="a.png"\r\ncontent-type: image/png\r\n\r\n';

  for (const [what, body, options, stalls] of [
    ["a broken boundary", `${head}abc\r\n--y--\r\n`, { length: head.length + 12 }, false],
    ["no boundary", head, { boundary: "", length: head.length }, false],
    ["a part that never ends", Buffer.concat([Buffer.from(head), png]), {}, true],
    ["nothing at all", "", {}, true],
  ] as const) {
    it(`with ${what} is refused${stalls ? ", and its connection closed" : ""}`, async () => {
      const { socket, answered } = await send(body, options);
      const answer = await answered();
      expect(answer)
        .to.match(/^HTTP\/1\.1 400 /)
        .and.include('"param":"image"');
      if (stalls && !socket.closed) await once(socket, "close");
      socket.destroy();
    });
  }

  it("of JSON that stops is refused", async () => {
    const socket = await dial(house.url);
    let answer = "";
    socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
    socket.write(
      `POST /v1/edits HTTP/1.1\r\nhost: g\r\nauthorization: Bearer ${house.key}\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"model`,
    );
    await until(() => answer.includes("did not arrive"));
    if (!socket.closed) await once(socket, "close");
  });

  it("whose client goes away leaves nothing", async () => {
    const { socket } = await send(Buffer.concat([Buffer.from(head), png, Buffer.alloc(1000)]));
    await until(async () => (await readdir(`${folder.folder}/tmp`).catch(() => [])).length > 0, "a file is there");
    socket.destroy();
  });

  it("takes what it may: numbers and order in a form, names, an image by address", async () => {
    const other = solidPng(8, 8);
    const response = await post(
      formOf(
        ...plain,
        ["image[1]", other, "second.png"],
        ["n", "1"],
        ["image[0]", png, "first.png"],
        ["watermark", "false"],
        ["style", '{"a":1}'],
      ),
    );
    expect(response.status, await response.text()).to.equal(200);
    const form = house.provider.calls.at(-1)!.body;
    expect(form.indexOf("first.png")).to.be.lessThan(form.indexOf("second.png"));
    expect(response.headers.get("x-pictor-changes")).to.include("watermark dropped").and.include("style dropped");
  });
});
