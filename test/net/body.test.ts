import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer, text } from "node:stream/consumers";
import { expect } from "chai";
import { FilePart } from "../../src/expression/directives.ts";
import { createAuthorizer } from "../../src/net/auth/authorizer.ts";
import { encodeForm, encodeJson, encodeMultipart, hashOf, type StreamBody } from "../../src/net/body.ts";
import { partsOf } from "../../src/net/parts.ts";
import { readBody, send } from "../../src/net/send.ts";
import { InputImage, type InputForm } from "../../src/picture/input.ts";
import { LongText } from "../../src/picture/lift.ts";
import { solidPng } from "../../src/picture/png.ts";

const png = solidPng(64, 32);
const image = (form?: InputForm, bytes = png) =>
  new InputImage({
    data: { kind: "bytes", bytes },
    field: "image",
    name: 'ca"t\r\n猫.png',
    type: "image/png",
    width: 64,
    height: 32,
    form,
  });
const linked = new InputImage({ data: { kind: "url", url: "https://a.example/1.png" }, field: "image", name: "image.png" });

async function bytesOf(body: Buffer | StreamBody): Promise<Buffer> {
  if (Buffer.isBuffer(body)) return body;
  const bytes = await buffer(body.chunks());
  expect(bytes.length, "its length").to.equal(body.length);
  return bytes;
}

describe("a JSON body", () => {
  it("holds images as data URIs, base64, numbers or URLs, and long texts as they are", async () => {
    const long = new LongText({ picture: { kind: "bytes", bytes: png }, prefix: "data:image/png;base64," });
    const prose = new LongText({ text: { kind: "bytes", bytes: Buffer.from('"é"\n\\') } });
    const value = {
      prompt: "a cat",
      list: [image(), linked, { x: image("base64") }],
      whole: image("integers"),
      long,
      prose,
      none: undefined,
    };
    const body = await encodeJson(value);
    const written = JSON.parse((await bytesOf(body)).toString("utf8")) as unknown;
    const base64 = png.toString("base64");
    expect(written).to.deep.equal({
      prompt: "a cat",
      list: [`data:image/png;base64,${base64}`, "https://a.example/1.png", { x: base64 }],
      whole: [...png],
      long: `data:image/png;base64,${base64}`,
      prose: '"é"\n\\',
    });
    expect((body as StreamBody).value).to.equal(value);
  });

  it("can be written again, and is read once for a signature", async () => {
    const body = await encodeJson({ image: image("base64") });
    const bytes = await bytesOf(body);
    expect(await bytesOf(body)).to.deep.equal(bytes);
    expect(await hashOf(body)).to.equal(createHash("sha256").update(bytes).digest("hex"));
    const none = createHash("sha256").digest("hex");
    expect(await hashOf(undefined)).to.equal(none);
  });

  it("takes a key as a member too", async () => {
    const authorize = createAuthorizer({ body: "auth.key" }, { fetchToken: () => Promise.reject(new Error("no token is needed")) });
    const request = {
      method: "POST" as const,
      url: "https://a.example/",
      headers: { "content-type": "application/json" },
      body: await encodeJson({ image: image("base64") }),
    };
    const { body } = await authorize(request, "k", AbortSignal.timeout(1000));
    expect(JSON.parse((await bytesOf(body!)).toString())).to.deep.equal({ image: png.toString("base64"), auth: { key: "k" } });
  });

  it("writes an empty image as an empty list of numbers", async () => {
    expect((await bytesOf(await encodeJson([image("integers", Buffer.alloc(0))]))).toString()).to.equal("[[]]");
  });
});

describe("a form", () => {
  it("is what two other libraries read, with files in their order, their names and types", async () => {
    const { headers, body } = await encodeMultipart({
      'a "name"': "text\r\nof two lines, 猫",
      n: 2,
      style: { a: 1 },
      "image[]": [image(), image("base64"), image("data_uri"), linked],
      named: new FilePart(image(), "mask.png", "image/x-mask"),
      own: new FilePart(image(), undefined, undefined),
      decoded: new FilePart(png.toString("base64"), "a.png", "image/png"),
      plain: new FilePart("no base64!", undefined, undefined),
      long: new LongText({ text: { kind: "bytes", bytes: Buffer.from("words") } }),
      picture: new LongText({ picture: { kind: "bytes", bytes: png } }),
      lifted: new FilePart(new LongText({ picture: { kind: "bytes", bytes: png } }), "b.png", "image/png"),
      worded: new FilePart(new LongText({ text: { kind: "bytes", bytes: Buffer.from("no base64!") } }), undefined, undefined),
      none: new LongText({}),
      empty: "",
      "no items": [],
      blank: image(undefined, Buffer.alloc(0)),
      "两 \r\nlines": "a name of two lines",
    });
    // The engine's own reader shares nothing with the writer, nor with what reads clients' forms.
    const reader: { formData(): Promise<FormData> } = new Response(new Uint8Array(await bytesOf(body)), { headers });
    const form = await reader.formData();
    const seen: [name: string, text: string, type?: string, content?: string | true][] = [];
    for (const [name, part] of form) {
      if (typeof part === "string") seen.push([name, part]);
      else seen.push([name, part.name, part.type, Buffer.from(await part.arrayBuffer()).equals(png) || (await part.text())]);
    }
    const base64 = png.toString("base64");
    expect(seen).to.deep.equal([
      ['a "name"', "text\r\nof two lines, 猫"],
      ["n", "2"],
      ["style", '{"a":1}'],
      ["image[]", 'ca"t\r\n猫.png', "image/png", true],
      ["image[]", base64],
      ["image[]", `data:image/png;base64,${base64}`],
      ["image[]", "https://a.example/1.png"],
      ["named", "mask.png", "image/x-mask", true],
      ["own", 'ca"t\r\n猫.png', "image/png", true],
      ["decoded", "a.png", "image/png", true],
      ["plain", "file", "application/octet-stream", "no base64!"],
      ["long", "words"],
      ["picture", base64],
      ["lifted", "b.png", "image/png", true],
      ["worded", "file", "application/octet-stream", "no base64!"],
      ["none", ""],
      ["empty", ""],
      ["blank", 'ca"t\r\n猫.png', "image/png", ""],
      ["两 \r\nlines", "a name of two lines"],
    ]);
    // Many providers read with a parser of this kind, which leaves what was escaped in a name as it is.
    const escaped = (name: string) => name.replaceAll("\r", "%0D").replaceAll("\n", "%0A").replaceAll('"', "%22");
    const parts = (await partsOf(await bytesOf(body), headers["content-type"]!)).map(({ name, fileName, type, content }) => {
      if (fileName === undefined) return [name, content.toString()];
      return [name, fileName, type, content.equals(png) || content.toString()];
    });
    const expected = seen.map(([name, text, ...file]) => [escaped(name), file.length > 0 ? escaped(text) : text, ...file]);
    expect(parts).to.deep.equal(expected);
  });

  it("has no file of a URL that nobody fetched", async () => {
    const error: unknown = await encodeMultipart({ a: new FilePart(linked, undefined, undefined) }).catch((reason: unknown) => reason);
    expect(error).to.include({ code: "invalid_value", param: "image" });
  });

  it("without parts is empty", async () => {
    const { headers, body } = await encodeMultipart(undefined);
    expect(headers["content-type"]).to.match(/^multipart\/form-data; boundary=----pictor[0-9a-f]{32}$/);
    expect((await bytesOf(body)).toString()).to.match(/^------pictor[0-9a-f]{32}--\r\n$/);
  });

  it("that is urlencoded holds an image as base64", async () => {
    const form = new URLSearchParams((await encodeForm({ image: image(), url: linked, n: 1 })).toString());
    expect(Object.fromEntries(form)).to.deep.equal({ image: png.toString("base64"), url: linked.url, n: "1" });
  });
});

describe("an image in a log", () => {
  it("is told by its size and type", () => {
    expect(JSON.stringify([image(), linked])).to.equal(`["(image of ${png.length} bytes, image/png)","https://a.example/1.png"]`);
    expect(String(image().with({ type: undefined }))).to.equal(`(image of ${png.length} bytes)`);
  });
});

describe("sending a body from its parts", () => {
  it("sends it with its length, and breaks off with what it is read from", async () => {
    const server = createServer((request, response) => {
      void text(request).then(
        (body) => response.end(`${request.headers["content-length"]} ${body}`),
        () => undefined,
      );
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const signal = AbortSignal.timeout(5000);
    try {
      const parts = async function* () {
        yield Buffer.from("one,");
        yield Buffer.from("two");
        await Promise.resolve();
      };
      const answer = await send({ method: "POST", url, headers: {}, body: { length: 7, chunks: parts } }, signal);
      expect((await readBody(answer, 1000, signal)).toString()).to.equal("7 one,two");
      let ended = false;
      const broken = async function* () {
        try {
          yield Buffer.from("one");
          await Promise.resolve();
          throw new Error("the file is gone");
        } finally {
          ended = true;
        }
      };
      const failure = await send({ method: "POST", url, headers: {}, body: { length: 7, chunks: broken } }, signal).catch(
        (error: unknown) => error as Error,
      );
      expect(failure).to.be.instanceOf(Error).and.have.property("kind", "failed");
      expect(ended).to.equal(true);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
