import { fork } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { deflateSync } from "node:zlib";
import { expect } from "chai";
import { pngChunk, solidPng } from "../../src/picture/png.ts";

/** A picture of noise, which takes as many bytes as it has pixels. */
function noise(side: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header[8] = 8;
  const rows = randomBytes((side + 1) * side);
  for (let row = 0; row < side; row += 1) rows[row * (side + 1)] = 0;
  const signature = Buffer.from("89504e470d0a1a0a", "hex");
  return Buffer.concat([
    signature,
    pngChunk("IHDR", header),
    pngChunk("IDAT", deflateSync(rows, { level: 1 })),
    pngChunk("IEND", Buffer.alloc(0)),
  ]);
}

const count = 16;
const picture = noise(3200);
const megabyte = 1024 * 1024;

/** Writes as fast as the reader takes it, without holding more. */
async function post(
  url: string,
  key: string,
  type: string,
  head: (index: number) => string,
  body: Buffer,
  tail: string,
): Promise<Response> {
  async function* parts() {
    for (let index = 0; index < count; index += 1) {
      yield Buffer.from(head(index));
      for (let at = 0; at < body.length; at += 65536) yield body.subarray(at, at + 65536);
      await Promise.resolve();
    }
    yield Buffer.from(tail);
  }
  const headers = { authorization: `Bearer ${key}`, "content-type": type };
  return fetch(`${url}/v1/images/edits`, { method: "POST", headers, body: parts(), duplex: "half" } as unknown as RequestInit);
}

describe("an edit of sixteen images of ten megabytes", () => {
  it("takes at most 64 MB, as a form and as JSON, and reaches the provider whole", async function () {
    this.timeout(60_000);
    expect(picture.length).to.be.greaterThan(10_000_000);
    let received = 0;
    let hash = createHash("sha256");
    const server = createServer((request, response) => {
      [received, hash] = [0, createHash("sha256")];
      request.on("data", (chunk: Buffer) => {
        received += chunk.length;
        hash.update(chunk);
      });
      request.on("end", () => response.end(JSON.stringify({ created: 1, data: [{ b64_json: solidPng(8, 8).toString("base64") }] })));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const child = fork(new URL("./memory-gateway.js", import.meta.url), [`http://127.0.0.1:${(server.address() as AddressInfo).port}`]);
    const told = async () => (await once(child, "message"))[0] as unknown;
    const peak = async () => {
      child.send("peak");
      return ((await told()) as number) / 1024;
    };
    try {
      const { url, key } = (await told()) as { url: string; key: string };
      const form = (images: number, body: Buffer) => {
        const head = (index: number) =>
          `${index === 0 ? '--x\r\ncontent-disposition: form-data; name="model"\r\n\r\ngpt-image-1\r\n--x\r\ncontent-disposition: form-data; name="prompt"\r\n\r\nx' : ""}\r\n--x\r\ncontent-disposition: form-data; name="image[]"; filename="a.png"\r\ncontent-type: image/png\r\n\r\n`;
        expect(images).to.equal(count);
        return post(url, key, "multipart/form-data; boundary=x", head, body, "\r\n--x--\r\n");
      };
      const json = (body: string) =>
        post(
          url,
          key,
          "application/json",
          (index) => (index === 0 ? '{"model":"gpt-image-1","prompt":"x","images":["' : '","'),
          Buffer.from(body),
          '"]}',
        );
      // What the process needs for its first picture is not the pictures'.
      expect((await form(count, solidPng(8, 8))).status).to.equal(200);
      expect((await json(solidPng(8, 8).toString("base64"))).status).to.equal(200);
      const before = await peak();
      for (const send of [() => form(count, picture), () => json(picture.toString("base64"))]) {
        const response = await send();
        expect(response.status, await response.text()).to.equal(200);
        expect(received)
          .to.be.greaterThan(count * picture.length)
          .and.lessThan(count * (picture.length + 1000));
      }
      expect((await peak()) - before, "megabytes").to.be.lessThan(64);
      expect(picture.length * count).to.be.greaterThan(64 * megabyte);
    } finally {
      child.disconnect();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
