// Forms as clients really write them, byte for byte, and what becomes of their parts.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { deflateSync, gzipSync } from "node:zlib";
import { expect } from "chai";
import { pngChunk } from "../../src/picture/png.ts";
import { stopwatch } from "../helpers/turns.ts";
import { dataUri, formOf, image, multipart, named, plain, png, startFormHouse, text, type FormHouse, type Part } from "./form-house.ts";
import { dial, errorOf, until } from "./setup.ts";

describe("http: a form", () => {
  let house: FormHouse;
  before(async () => {
    house = await startFormHouse();
  });
  beforeEach(() => house.forget());
  after(() => house.close());

  describe("with a part that cannot be understood is refused with its number, and nothing is ordered", () => {
    for (const [what, part] of [
      ["has no name", ["content-disposition: form-data", "x"]],
      ["is a file without a name", ['content-disposition: form-data; filename="a.png"\r\ncontent-type: image/png', png]],
      ["has an empty name", [named(""), "x"]],
      ["has no content-disposition", ["content-type: text/plain", "x"]],
      ["is an attachment called mask", ['content-disposition: attachment; name="mask"; filename="m.png"', png]],
      ["has a space before the colon", ['Content-Disposition : form-data; name="mask"; filename="m.png"', png]],
      ["has two names", ['content-disposition: form-data; name="user"; name="mask"', png]],
      ["has two dispositions", [`${named("user")}\r\n${named("mask")}`, png]],
      ["has a quote that does not end", ['content-disposition: form-data; name="mask; filename=m.png', png]],
      ["has a line break in its name", ['content-disposition: form-data; name="ma\nsk"', png]],
      ["has a name in a charset that nobody knows", ["content-disposition: form-data; name*=klingon'x'mask", png]],
      ["has an unknown transfer encoding", [`${named("mask")}\r\ncontent-transfer-encoding: uuencode`, png]],
      ["is said to be base64 and is none", [`${named("mask")}\r\ncontent-transfer-encoding: base64`, "!!"]],
      ["is said to be quoted-printable and is none", [`${named("user")}\r\ncontent-transfer-encoding: quoted-printable`, "a=ZZ"]],
      ["is a form of its own", [`${named("mask")}\r\ncontent-type: multipart/mixed; boundary=y`, `--y\r\n\r\nx\r\n--y--`]],
      ["has headers without end", ["", Buffer.alloc(17_000, "x")]],
      ["has 17 KB of headers", [`${named("mask")}\r\nx: ${"y".repeat(17_000)}`, png]],
    ] as [string, Part][]) {
      it(`where it ${what}`, async () => {
        const took = stopwatch();
        const { message } = await errorOf(await house.postParts(image, part), 400, "invalid_value", "part 4");
        expect(message).to.match(/^part 4 of the form (has|is) /);
        expect(took()).to.be.lessThan(5000);
        expect(house.sent()).to.deep.equal([]);
        expect((await fetch(`${house.url}/livez`)).status).to.equal(200);
      });
    }

    it("where it has no headers and its content no end", async () => {
      const socket = await dial(house.url);
      let answer = "";
      socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
      const head = `POST /v1/images/edits HTTP/1.1\r\nhost: g\r\nauthorization: Bearer ${house.key}\r\n`;
      socket.write(`${head}content-type: ${multipart["content-type"]}\r\ncontent-length: 1000000\r\n\r\n--x\r\n${"y".repeat(17_000)}`);
      await until(() => answer.includes("\r\n\r\n{"), "an answer before the silence is over");
      expect(answer)
        .to.match(/^HTTP\/1\.1 400 /)
        .and.include("part 1 of the form");
      socket.destroy();
    });
  });

  describe("is understood as clients write it", () => {
    for (const [what, part] of [
      ["without file name and type, as requests and .NET send bytes", [named("mask"), png]],
      ["typed binary/octet-stream", [`${named("mask")}\r\ncontent-type: binary/octet-stream`, png]],
      ["typed text/plain", [`${named("mask", '; filename="m.png"')}\r\ncontent-type: text/plain`, png]],
      ["in base64", [`${named("mask")}\r\ncontent-transfer-encoding: BASE64`, `${png.toString("base64").replace(/.{60}/g, "$&\r\n")}\r\n`]],
      [
        "in quoted-printable",
        [
          `${named("mask")}\r\ncontent-transfer-encoding: quoted-printable`,
          png.toString("hex").replace(/../g, "=$&").replace(/.{72}/g, "$&=\r\n"),
        ],
      ],
      ["with a name without quotes", ["Content-Disposition: form-data; name=mask", png]],
      ["with a name in RFC 5987's spelling", ["content-disposition: form-data; name*=UTF-8''m%61sk", png]],
      ["with a name in RFC 2047's spelling", ['content-disposition: form-data; name="=?utf-8?B?bWFzaw==?="', png]],
      ["with a header that goes on in the next line", ['content-disposition: form-data;\r\n name="mask"', png]],
      ["called mask[]", [named("mask[]"), png]],
      ["as a data URI", text("mask", dataUri)],
      ["as an object", text("mask", JSON.stringify({ image_url: dataUri }))],
      ["as a member of an object", text("mask[image_url]", dataUri)],
    ] as [string, Part][]) {
      it(`a mask ${what}`, async () => {
        expect(await house.served(await house.postParts(image, part))).to.include({ mask: dataUri });
      });
    }

    it("file names of RFC 2047 and RFC 5987, and whole paths", async () => {
      for (const spelling of [
        'filename="=?UTF-8?Q?na=C3=AFve=2Epng?="',
        "filename*=utf-8''na%C3%AFve.png",
        'filename="C:\\\\x\\\\naïve.png"',
      ]) {
        house.forget();
        await house.served(await house.postParts([named("image", `; ${spelling}`), png]));
      }
    });

    it("a file field of a browser in which nobody chose a file", async () => {
      const nothing: Part = [`${named("mask", '; filename=""')}\r\ncontent-type: application/octet-stream`, ""];
      expect(await house.served(await house.postParts(image, nothing))).not.to.have.property("mask");
    });

    it("a file of 50,000 bytes, none of which counts as a value of the body", async () => {
      const large = Buffer.concat([png.subarray(0, -12), pngText(50_000), png.subarray(-12)]);
      const { images } = await house.served(await house.postParts([image[0], large]));
      expect(images).to.deep.equal([`data:image/png;base64,${large.toString("base64")}`]);
    });

    it("an image that is a text of more than a megabyte, as it is where it is a file", async () => {
      const large = Buffer.concat([png.subarray(0, -12), pngText(1_500_000), png.subarray(-12)]);
      for (const written of [large.toString("base64"), `data:image/png;base64,${large.toString("base64")}`]) {
        house.forget();
        const { images } = await house.served(await house.postParts(text("image", written)));
        expect(images![0]!.slice(dataUri.indexOf(",") + 1)).to.equal(large.toString("base64"));
      }
    });

    for (const [encoding, compress] of [
      ["gzip", gzipSync],
      ["x-gzip", gzipSync],
      ["deflate", deflateSync],
    ] as const)
      it(`in ${encoding}`, async () => {
        const body = compress(formOf([...plain, image]));
        expect((await house.served(await house.post(body, { ...multipart, "content-encoding": encoding }))).images).to.deep.equal([
          dataUri,
        ]);
      });

    for (const type of ["", "application/json", "multipart/form-data", "text/plain", "application/x-www-form-urlencoded"])
      it(`under the content type ${JSON.stringify(type)}, by the boundary in its first line`, async () => {
        const body = formOf([...plain, image], "------------------------d74496d66958873e");
        expect((await house.served(await house.post(body, { "content-type": type }))).images).to.deep.equal([dataUri]);
      });

    for (const header of ["Content-Type:", "Content-Type;", "Content-Type: application/json"])
      it(`as curl -F writes it together with -H '${header}'`, async () => {
        const fields = ["model=demo", "prompt=a hat", `image=${dataUri}`].flatMap((field) => ["--form-string", field]);
        const key = `authorization: Bearer ${house.key}`;
        await promisify(execFile)("curl", ["-sSf", "-H", key, "-H", header, ...fields, `${house.url}/v1/images/edits`]);
        expect(house.sent()[0]).to.deep.include({ prompt: "a hat", images: [dataUri] });
      });

    it("with a line break behind the model, as -F 'model=<file' writes it", async () => {
      const form = formOf([text("model", "demo\n"), text("prompt", "a hat\n"), text("size", "256x256\r\n"), image]);
      expect(await house.served(await house.post(form))).to.include({ model: "demo", size: "256x256", prompt: "a hat\n" });
    });

    it("with a preamble, an epilogue and spaces behind a boundary", async () => {
      const form = formOf([...plain, image])
        .toString("latin1")
        .replaceAll("--x\r\n", "--x \t\r\n");
      const body = Buffer.from(`preamble\r\n${form}epilogue`, "latin1");
      expect((await house.served(await house.post(body))).images).to.deep.equal([dataUri]);
    });
  });

  for (const [name, field] of [
    ["image[caption]", "image"],
    ["mask[0][alt]", "mask"],
  ] as const)
    it(`whose text ${name} would take the place of an image, or the image its, is refused`, async () => {
      const named: Part = [image[0].replace('"image"', `"${field}"`), image[1]];
      const { message } = await errorOf(
        await house.postParts(image, ...(field === "image" ? [] : [named]), text(name, "hi")),
        400,
        "invalid_value",
        name,
      );
      expect(message).to.contain("leave it out");
    });

  it("has 1 MiB of texts together, counted in bytes", async () => {
    const [third, rest] = ["€".repeat(174_000), "€".repeat(180_000)];
    expect(await house.served(await house.postParts(image, text("user", third), text("negative_prompt", "€")))).to.include({ user: third });
    await errorOf(
      await house.postParts(image, text("user", third), text("negative_prompt", rest)),
      413,
      "request_too_large",
      "negative_prompt",
    );
  });

  it("whose text is not in its charset is refused", async () => {
    await errorOf(await house.postParts(image, [named("user"), Buffer.from([0xff, 0xfe])]), 400, "invalid_value", "user");
    const latin: Part = [`${named("user")}\r\ncontent-type: text/plain; charset=iso-8859-1`, Buffer.from("größe", "latin1")];
    expect(await house.served(await house.postParts(image, latin))).to.include({ user: "größe" });
  });

  it("that stops between two parts is refused when its client has gone silent, and its connection closed", async () => {
    const socket = await dial(house.url);
    const body = formOf(plain).subarray(0, -6);
    socket.write(
      `POST /v1/images/edits HTTP/1.1\r\nhost: g\r\nauthorization: Bearer ${house.key}\r\ncontent-type: ${multipart["content-type"]}\r\ncontent-length: ${body.length}\r\n\r\n`,
    );
    socket.end(body);
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer.toString()).to.match(/^HTTP\/1\.1 400 /);
    socket.destroy();
  });
});

/** A chunk of a PNG that readers pass over. */
function pngText(length: number): Buffer {
  return pngChunk("tEXt", Buffer.alloc(length, "a picture is worth a thousand words, or so"));
}
