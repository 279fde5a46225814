// Finds PNGs that do not hold the pixels that their header promises.
import { finished } from "node:stream/promises";
import { createInflate } from "node:zlib";

/** Samples for each pixel, by colour type. */
const samples: Record<number, number> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/** The passes of an interlaced PNG, each as its first column and row, and its steps across and down. */
export const passes = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

/**
 * Says what is wrong with a PNG, as the end of a sentence; undefined for a complete PNG with as many pixels as its header says. The pixels are
 * unpacked and counted, and not kept. Unpacking stops once there are more than the header promises.
 */
export async function pngProblem(chunks: AsyncIterable<Buffer>): Promise<string | undefined> {
  const unpack = createInflate({ chunkSize: 256 * 1024 });
  let wanted = Infinity;
  let row = 0;
  let unpacked = 0;
  const seen = { end: false, damage: false };
  // Small pieces are gathered, since each write costs a switch to another thread and back.
  let pieces: Buffer[] = [];
  let gathered = 0;
  const flush = async () => {
    const data = Buffer.concat(pieces);
    pieces = [];
    gathered = 0;
    if (data.length > 0 && !unpack.destroyed && !unpack.write(data)) await drained(unpack);
  };
  unpack.on("data", (chunk: Buffer) => {
    unpacked += chunk.length;
    // Some writers pad the last row, so up to one more row is accepted. More than that is a picture of another size.
    if (unpacked > wanted + row) unpack.destroy();
  });
  const done = finished(unpack, { writable: false }).catch(() => (seen.damage = true));
  for await (const { type, data, count } of partsOf(chunks)) {
    if (count > mostParts) {
      unpack.destroy();
      await done;
      return `has more than the ${mostParts} chunks that are accepted`;
    }
    if (type === "IHDR") [wanted, row] = expected(data);
    else if (type === "IEND") seen.end = true;
    else if (type === "IDAT" && data.length > 0) {
      pieces.push(data);
      gathered += data.length;
      if (gathered >= batch) await flush();
    }
    if (unpack.destroyed) break;
  }
  await flush();
  if (!unpack.destroyed) unpack.end();
  await done;
  if (unpacked > wanted + row) return "holds more pixels than its header says";
  if (!seen.end || seen.damage) return "is cut or damaged";
  return unpacked < wanted ? "holds fewer pixels than its header says" : undefined;
}

/** Most chunks of one PNG: encoders write a few thousand for the largest pictures. */
export const mostParts = 100_000;

/** Compressed bytes that are gathered before they are unpacked. */
const batch = 64 * 1024;

/**
 * The work of checking a PNG, as a number of pixels of four bytes each, by its first bytes; undefined if they hold no header.
 */
export function pngWork(head: Buffer): number | undefined {
  if (head.length < 33 || head.toString("latin1", 12, 16) !== "IHDR") return undefined;
  return Math.ceil(expected(head.subarray(16, 29))[0] / 4);
}

function drained(unpack: ReturnType<typeof createInflate>): Promise<void> {
  return new Promise((resolve) => {
    const over = () => {
      unpack.off("drain", over).off("close", over);
      resolve();
    };
    unpack.once("drain", over).once("close", over);
  });
}

/**
 * The chunks of a PNG that concern its pixels (large ones piece by piece), and the first chunk beyond `mostParts`. Others are not yielded, since each
 * one yielded costs a turn of the promise queue. Bytes that are not made of chunks end the iteration early.
 */
async function* partsOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<{ type: string; data: Buffer; count: number }> {
  let count = 0;
  let rest: Buffer = Buffer.alloc(0);
  let skip = 8; // the signature
  let type = "";
  let left = 0;
  for await (const chunk of chunks) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (;;) {
      const skipped = Math.min(skip, rest.length);
      rest = rest.subarray(skipped);
      skip -= skipped;
      if (skip > 0) break;
      if (left > 0) {
        if (rest.length === 0 || (type === "IHDR" && rest.length < left)) break;
        const data = rest.subarray(0, left);
        if (type === "IDAT" || type === "IHDR") yield { type, data, count };
        rest = rest.subarray(data.length);
        left -= data.length;
        if (left === 0) skip = 4; // the checksum
      } else {
        if (rest.length < 8) break;
        left = rest.readUInt32BE(0);
        count += 1;
        type = rest.toString("latin1", 4, 8);
        if (count > mostParts) {
          yield { type, data: rest.subarray(0, 0), count };
          return;
        }
        // A header has 13 bytes. One that claims more would be collected in memory.
        if (type === "IHDR" && left !== 13) return;
        rest = rest.subarray(8);
        if (left === 0) {
          if (type === "IEND") yield { type, data: rest.subarray(0, 0), count };
          skip = 4;
        }
      }
    }
  }
}

/** The unpacked size in bytes that a header promises (each row with its filter byte), and the size of one row. */
function expected(header: Buffer): [number, number] {
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const bits = header.readUInt8(8) * (samples[header.readUInt8(9)] ?? 1);
  const row = (across: number) => (across === 0 ? 0 : 1 + Math.ceil((across * bits) / 8));
  if (header.readUInt8(12) === 0) return [row(width) * height, row(width)];
  const total = passes.reduce((sum, [left, top, right, down]) => {
    const [across, rows] = [Math.ceil((width - left) / right), Math.ceil((height - top) / down)];
    return sum + (rows > 0 ? row(Math.max(0, across)) * rows : 0);
  }, 0);
  return [total, row(width)];
}
