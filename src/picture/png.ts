// Makes small PNG files for tests and mocks.
import { crc32, deflateSync } from "node:zlib";

/** A valid PNG of a single grey, as small as possible, for tests and mocks; sizes in pixels. */
export function solidPng(width: number, height: number): Buffer {
  // The picture is greyscale, with a bit for each pixel.
  return pngOf({ width, height, depth: 1, colours: 0, rows: Buffer.alloc((1 + Math.ceil(width / 8)) * height) });
}

/** A mask whose left half is transparent; sizes in pixels. */
export function halfClearPng(width: number, height: number): Buffer {
  const pixels = Array.from({ length: width }, (_, x) => [0, x < width / 2 ? 0 : 255]).flat();
  // Eight bits of grey and eight of opacity for each pixel. A row begins with its filter byte; 0 means none.
  return pngOf({
    width,
    height,
    depth: 8,
    colours: 4,
    rows: Buffer.concat(Array.from({ length: height }, () => Buffer.from([0, ...pixels]))),
  });
}

function pngOf({
  width,
  height,
  depth,
  colours,
  rows,
}: {
  width: number;
  height: number;
  depth: number;
  colours: number;
  rows: Buffer;
}): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colours], 8);
  return Buffer.concat([
    Buffer.from("89504e470d0a1a0a", "hex"),
    pngChunk("IHDR", header),
    pngChunk("IDAT", deflateSync(rows)),
    pngChunk("IEND", Buffer.alloc(0)),
  ]);
}

/** A chunk of a PNG, with its length and checksum. */
export function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}
