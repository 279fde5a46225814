// The reader of multipart bodies, by itself.
import { buffer } from "node:stream/consumers";
import { expect } from "chai";
import { BrokenForm, partsOf } from "../../src/net/multipart.ts";

async function* pieces(body: string, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < body.length; at += size) yield await Promise.resolve(Buffer.from(body.slice(at, at + size), "latin1"));
}

async function read(body: string, { size = body.length, boundary = "x" } = {}) {
  const parts: Record<string, unknown>[] = [];
  for await (const { name, fileName, type, content } of partsOf(pieces(body, size), boundary))
    parts.push({ name, fileName, type, content: (await buffer(content)).toString("latin1") });
  return parts;
}

/** What a form throws; undefined when it is read. */
const failure = (body: string) =>
  read(body).then(
    () => undefined,
    (error: unknown) => error,
  );

const name = (more: string) => `--x\r\ncontent-disposition: form-data; name="f"${more}\r\n\r\nc\r\n--x--`;

describe("multipart", () => {
  it("is the same however it is cut", async () => {
    const body =
      '\r\nbefore\r\n--x \t\r\nContent-Disposition: form-data;\r\n\tname="a"; filename="b.png"\r\nContent-Type: image/PNG; charset=x\r\n\r\n\r\n--\r\n--y\r\n-\r\n--x\r\n' +
      'content-disposition: form-data; name="q"\r\ncontent-transfer-encoding: quoted-printable\r\n\r\na=3D=\r\nb=C3=A9\r\n--x\r\n' +
      'content-disposition: form-data; name="b"\r\ncontent-transfer-encoding: base64\r\n\r\naGVs\r\nbG8=\r\n\r\n--x\r\n' +
      "content-disposition: form-data; name=e\r\n\r\n\r\n--x--after\r\n--x\r\n";
    const whole = await read(body);
    expect(whole).to.deep.equal([
      { name: "a", fileName: "b.png", type: "image/png", content: "\r\n--\r\n--y\r\n-" },
      { name: "q", fileName: undefined, type: undefined, content: "a=b\xc3\xa9" },
      { name: "b", fileName: undefined, type: undefined, content: "hello" },
      { name: "e", fileName: undefined, type: undefined, content: "" },
    ]);
    for (let size = 1; size < 60; size += 1) expect(await read(body, { size }), `${size} bytes at a time`).to.deep.equal(whole);
  });

  it("has the same parts where nobody reads their contents", async () => {
    const names: string[] = [];
    for await (const part of partsOf(pieces(`--x${"\r\ncontent-disposition: form-data; name=n\r\n\r\nabc\r\n--x".repeat(3)}--`, 5), "x"))
      names.push(part.name);
    expect(names).to.deep.equal(["n", "n", "n"]);
  });

  for (const [what, spelling, is] of [
    ["of RFC 2047", '; filename="=?UTF-8?Q?na=C3=AFve_1=2Epng?="', "naïve 1.png"],
    ["of RFC 2047 in two words", '; filename="=?iso-8859-1?b?bmHv?= =?utf-8?q?ve.png?="', "naïve.png"],
    ["of RFC 5987", "; filename=plain.png; filename*=utf-8''na%C3%AFve.png", "naïve.png"],
    ["with a path", '; filename="C:\\\\my pictures\\\\a.png"', "a.png"],
    ["with quotes", '; filename="a \\"b\\".png"', 'a "b".png'],
    ["in UTF-8", `; filename="${Buffer.from("naïve.png").toString("latin1")}"`, "naïve.png"],
    ["in Latin-1", '; filename="na\xefve.png"', "naïve.png"],
    ["without quotes", "; filename = a.png ;", "a.png"],
    ["that is empty", '; filename=""', ""],
  ] as const)
    it(`reads a file name ${what}`, async () => expect(await read(name(spelling))).to.have.nested.property("[0].fileName", is));

  for (const [what, body] of [
    ["an empty body", ""],
    ["another boundary", "--y\r\ncontent-disposition: form-data; name=a\r\n\r\n1\r\n--y--"],
    ["an end within a boundary", "--x\r\ncontent-disposition: form-data; name=a\r\n\r\n1\r\n--x"],
    ["an end within a head", "--x\r\ncontent-disposition: form-data; name=a\r\n"],
    ["an end within a part", "--x\r\ncontent-disposition: form-data; name=a\r\n\r\n1\r\n"],
    ["a longer boundary", "--x\r\ncontent-disposition: form-data; name=a\r\n\r\n1\r\n--xy\r\n--x--"],
    ["a preamble without end", "p".repeat(20_000)],
  ] as const)
    it(`is broken with ${what}`, async () => expect(await failure(body)).to.be.instanceOf(BrokenForm));
});
