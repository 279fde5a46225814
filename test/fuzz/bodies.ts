// Bodies from a grammar of multipart and of JSON, with everything done to them that a client could get wrong.
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { solidPng } from "../../src/picture/png.ts";

export const png = solidPng(8, 8);

/** A body as it goes over the wire. */
export interface Case {
  body: Buffer;
  type: string;
  encoding?: string;
}

const from = (...texts: string[]) => fc.constantFrom(...texts);
type Change = (body: Buffer) => Buffer;
const often = <T>(usual: T, odd: fc.Arbitrary<T>) => fc.oneof({ weight: 6, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: odd });

const name = fc.oneof(
  { weight: 4, arbitrary: from("image", "image[]", "mask", "size", "n", "quality", "style", "stream", "user", "seed", "background") },
  from(
    "image[1]",
    "image[0][image_url]",
    "images[]",
    "mask[]",
    "style[a]",
    "style[a][]",
    "tags[]",
    "tags[][a]",
    "metadata[a][b]",
    "style[__proto__]",
  ),
  from(
    "",
    "a]b[",
    "style[",
    "[]",
    "[a]",
    "image[99999]",
    "n".repeat(300),
    "ü",
    "\u0000",
    "image_url",
    "url",
    "input_image",
    "model",
    "__proto__",
  ),
  fc.string({ maxLength: 8 }),
);
const content = fc.oneof(
  fc.constantFrom(
    png,
    png.subarray(0, 20),
    Buffer.from(png.toString("base64")),
    Buffer.from(`data:image/png;base64,${png.toString("base64")}`),
  ),
  from(
    "",
    "null",
    "1",
    "true",
    "1024x1024",
    "auto",
    "standard",
    "{",
    "[",
    '{"a":1}',
    '["x"]',
    '{"image_url":""}',
    "[[[[",
    "\r\n--x",
    "--x--",
    "=",
    "=0",
  ).map((text) => Buffer.from(text)),
  from("a\r\n\r\nb", "https://", "data:,", "\u{1F408}", "=?utf-8?q?x?=", "[".repeat(3000), "\r\n".repeat(2000)).map((text) =>
    Buffer.from(text),
  ),
  fc.uint8Array({ maxLength: 40 }).map((text) => Buffer.from(text)),
);
const quoted = (text: string) => `"${text.replace(/["\\]/g, "\\$&").replace(/[\r\n]/g, "")}"`;
const disposition = fc
  .tuple(name, often("; ", from(";", " ; ", " ", ";;", ";\r\n\t")))
  .chain(([is, gap]) =>
    often(
      `content-disposition: form-data${gap}name=${quoted(is)}`,
      from(
        "content-disposition: form-data",
        `Content-Disposition : form-data; name="mask"`,
        `content-disposition: attachment; name="mask"`,
        `content-disposition: form-data; name=mask; name=user`,
        `content-disposition: form-data; name="mask`,
        `content-disposition: form-data; name*=utf-8''ma%73k`,
        `content-disposition: form-data; name="=?x?b?bWFzaw==?="`,
        "content-disposition:",
        "",
        "x",
      ),
    ),
  );
const more = fc.array(
  from(
    '; filename="a.png"',
    '; filename=""',
    "; filename*=utf-8''%zz",
    '; filename="..\\\\/x"',
    "\r\ncontent-type: image/png",
    "\r\ncontent-type: text/plain; charset=klingon",
    "\r\ncontent-type: multipart/mixed; boundary=x",
    "\r\ncontent-type: ;;;",
    "\r\ncontent-transfer-encoding: base64",
    "\r\ncontent-transfer-encoding: quoted-printable",
    "\r\ncontent-transfer-encoding: x",
    "\r\n: x",
    "\r\n\u0000: x",
    "\n\n",
    `\r\nx: ${"y".repeat(17_000)}`,
    "\r\nx: y".repeat(200),
  ),
  { maxLength: 2 },
);
const part = fc
  .tuple(disposition, more, content)
  .map(([head, rest, bytes]) => Buffer.concat([Buffer.from(`${head}${rest.join("")}\r\n\r\n`), bytes]));

/** Something done to the bytes of a whole body. */
const mutation: fc.Arbitrary<Change> = fc.oneof(
  fc.double({ min: 0, max: 1, noNaN: true }).map((at) => (body: Buffer) => body.subarray(0, Math.floor(body.length * at))),
  fc.tuple(fc.nat(5000), fc.nat(255)).map(([at, byte]) => (body: Buffer) => {
    const changed = Buffer.from(body);
    if (body.length > 0) changed[at % body.length] = byte;
    return changed;
  }),
  fc.tuple(fc.nat(5000), from("\r\n", "--x\r\n", "\r\n--x--", "\u0000", "\r\n\r\n", '"')).map(([at, text]) => (body: Buffer) => {
    const place = at % (body.length + 1);
    return Buffer.concat([body.subarray(0, place), Buffer.from(text), body.subarray(place)]);
  }),
  fc.tuple(fc.nat(5000), fc.nat(200)).map(([at, length]) => (body: Buffer) => {
    const place = at % (body.length + 1);
    return Buffer.concat([body.subarray(0, place), body.subarray(place + length)]);
  }),
);
const mutations = often<Change[]>([], fc.array(mutation, { minLength: 1, maxLength: 3 }));
const encoding = often(
  undefined as string | undefined,
  fc.constantFrom<string | undefined>("gzip", "x-gzip", "br", "identity", "gzip, gzip"),
);

/** A form. */
export const form: fc.Arbitrary<Case> = fc
  .tuple(
    fc.array(part, { maxLength: 6 }),
    often("x", from("-", "--", "x ", "a'()+_,-./:=?", "y".repeat(71))),
    often(
      "multipart/form-data; boundary=",
      from("multipart/form-data; boundary", "multipart/form-data", "application/json", "", "multipart/mixed; boundary=", "text/plain"),
    ),
    mutations,
    encoding,
  )
  .map(([parts, boundary, type, changes, code]) => {
    const usual = ["model", "prompt"].map((is) =>
      Buffer.from(`content-disposition: form-data; name=${is}\r\n\r\n${is === "model" ? "demo" : "a hat"}`),
    );
    const pieces = [...usual, ...parts].flatMap((one) => [Buffer.from(`--${boundary}\r\n`), one, Buffer.from("\r\n")]);
    const whole = changes.reduce<Buffer>((body, change) => change(body), Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]));
    const body = code === "gzip" || code === "x-gzip" ? gzipSync(whole, { level: 1 }) : whole;
    return { body, type: type.endsWith("=") ? `${type}${/^\w+$/.test(boundary) ? boundary : `"${boundary}"`}` : type, encoding: code };
  });

const item = fc.oneof(
  fc.constantFrom<unknown>(
    "",
    null,
    0,
    1,
    true,
    "null",
    "auto",
    "standard",
    [],
    {},
    [""],
    [null],
    "https://",
    "data:image/png;base64,",
    png.toString("base64"),
  ),
  fc.constantFrom<unknown>(
    { image_url: "" },
    { url: null, b64_json: png.toString("base64") },
    [{ image_url: { url: "" } }],
    { file_id: "x" },
    "\ud800",
    [[[]]],
  ),
  fc.jsonValue({ maxDepth: 3 }),
);
/** A JSON body. */
export const json: fc.Arbitrary<Case> = fc
  .tuple(
    fc.array(fc.tuple(fc.oneof(name, from("image", "images", "mask", "image_urls", "image[]", "mask_url")), item), { maxLength: 5 }),
    from("demo", "demo", "demo", "gpt-image-1", "gpt-image-1\n", "", "none"),
    from("application/json", "application/json", "", "application/json; charset=utf-8", "multipart/form-data; boundary=x"),
    mutations,
    encoding,
  )
  .map(([fields, model, type, changes, code]) => {
    const written = [["model", model], ["prompt", "a hat"], ...fields].map(
      ([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`,
    );
    const whole = changes.reduce<Buffer>((body, change) => change(body), Buffer.from(`{${written.join()}}`));
    return { body: code === "gzip" || code === "x-gzip" ? gzipSync(whole, { level: 1 }) : whole, type, encoding: code };
  });
