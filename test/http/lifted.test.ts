import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { expect } from "chai";
import { GatewayError } from "../../src/errors.ts";
import { readClientBody } from "../../src/http/body.ts";
import { chunksOf } from "../../src/picture/convert.ts";
import { LongText } from "../../src/picture/lift.ts";
import { solidPng } from "../../src/picture/png.ts";
import { createSpool, type SpoolScope } from "../../src/picture/spool.ts";

const picture = Buffer.concat([solidPng(64, 64), Buffer.alloc(300_000, "what a picture is made of")]);
const base64 = picture.toString("base64");
const limits = { body: 3_000_000, text: 1_000_000, file: 3_000_000, idle: 5000 };

describe("http: a body with pictures in it", () => {
  let server: Server;
  let folder: string;
  let scope: SpoolScope;
  let read: Promise<Record<string, unknown>>;

  before(async () => {
    server = createServer((request, response) => {
      read = readClientBody(request, limits, scope, new AbortController().signal).then(({ fields }) => fields);
      read.then(
        () => response.end("read"),
        (error: unknown) => response.end(error instanceof GatewayError ? error.code : "other"),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "pictor-lifted-"));
    scope = createSpool({ folder, largest: 200_000 }).scope();
  });
  afterEach(async () => {
    await scope.close();
    await rm(folder, { recursive: true });
  });
  after(() => new Promise((resolve) => server.close(resolve)));

  const send = async (body: string | Buffer, headers: Record<string, string> = {}) => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const response = await fetch(url, { method: "POST", body, headers: { "content-type": "application/json", ...headers } });
    return response.text();
  };

  for (const encoding of ["identity", "gzip"])
    it(`has them as bytes, and every other text as it is: ${encoding}`, async () => {
      const json = { model: "m", prompt: "p".repeat(100_000), images: [{ image_url: `data:image/png;base64,${base64}` }, base64], n: 2 };
      const bytes = Buffer.from(JSON.stringify(json));
      expect(await send(encoding === "gzip" ? gzipSync(bytes) : bytes, { "content-encoding": encoding })).to.equal("read");
      const { images, ...rest } = (await read) as { images: [{ image_url: LongText }, LongText] };
      expect(rest).to.deep.equal({ model: "m", prompt: json.prompt, n: 2 });
      for (const { picture: kept } of [images[0].image_url, images[1]]) {
        expect(kept?.kind).to.equal("file");
        expect((await buffer(chunksOf(kept!))).equals(picture)).to.equal(true);
      }
    });

  it("may be small", async () => {
    expect(await send('{"model":"m"}')).to.equal("read");
    expect(await read).to.deep.equal({ model: "m" });
  });

  it("tells what began as a picture and is none", async () => {
    await send(JSON.stringify({ image: `${base64.slice(0, -8)}!!!!!!!!` }));
    const { image } = (await read) as Record<string, LongText>;
    expect([image!.text, image!.picture]).to.deep.equal([undefined, undefined]);
  });

  for (const [what, body, code] of [
    ["cut", JSON.stringify({ image: base64 }).slice(0, -2), "invalid_json"],
    ["a text alone", JSON.stringify(base64), "invalid_json"],
    ["a list", JSON.stringify([base64]), "invalid_json"],
    ["no UTF-8", Buffer.concat([Buffer.from(`{"prompt":"${"x".repeat(100_000)}`), Buffer.from([0xff, 0x22, 0x7d])]), "invalid_json"],
    [
      "no UTF-8 beside a picture",
      Buffer.concat([Buffer.from(`{"image":"${base64}","prompt":"caf`), Buffer.from([0xe9, 0x22, 0x7d])]),
      "invalid_json",
    ],
    ["too large", JSON.stringify({ image: "A".repeat(limits.body) }), "request_too_large"],
    ["with a text that no field has", JSON.stringify({ prompt: "é".repeat(600_000) }), "request_too_large"],
    ["with many texts that are too long together", JSON.stringify({ a: ["x".repeat(600_000), "y".repeat(600_000)] }), "request_too_large"],
    [
      "with more pictures than there is room for where none belong",
      JSON.stringify({ prompt: [base64, base64, base64] }),
      "request_too_large",
    ],
    [
      "too long beside its pictures",
      JSON.stringify({ a: Array<string>(5000).fill("short, and often so ".repeat(20)) }),
      "request_too_large",
    ],
    ["nested", `${"[".repeat(100_000)}${"]".repeat(100_000)}`, "invalid_json"],
  ] as const)
    it(`is refused: ${what}`, async () => expect(await send(Buffer.from(body))).to.equal(code));

  it("is refused where its compression is broken", async () => {
    const whole = gzipSync(JSON.stringify({ image: base64 }));
    expect(await send(whole.subarray(0, whole.length - 20), { "content-encoding": "gzip" })).to.equal("invalid_json");
    expect(await send("x", { "content-encoding": "zstd" })).to.equal("unsupported_media_type");
  });
});
