import { sniffBytes } from "./sniff.ts";

/** Base64 characters decoded or encoded at a time: a multiple of four, small enough to keep the event loop and the string heap light. */
const slice = 1024 * 1024;

/** Encodes raw bytes, however they are cut, as the ASCII bytes of one base64 text with padding. */
export async function* encodeBase64(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const step = (slice / 4) * 3;
  let carry: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const bytes = carry.length === 0 ? chunk : Buffer.concat([carry, chunk]);
    const whole = bytes.length - (bytes.length % 3);
    for (let at = 0; at < whole; at += step) yield ascii(bytes.toString("base64", at, Math.min(at + step, whole)));
    carry = bytes.subarray(whole);
  }
  if (carry.length > 0) yield ascii(carry.toString("base64"));
}

/**
 * Checks a base64 text and takes off the prefix of a data URI, whose media type it tells. The result is standard base64 with
 * padding: a part of the given buffer where that was so already, else a cleaned copy (line breaks, base64url, no padding).
 * Undefined when it is empty or not base64.
 */
export function readBase64(text: Buffer): { ascii: Buffer; mediaType?: string } | undefined {
  if (text.toString("latin1", 0, 5).toLowerCase() !== "data:") return checked(text);
  const comma = text.subarray(0, 1024).indexOf(",");
  const header = /^data:\s*([^;\s]*)(?:;.*)?;\s*base64\s*$/i.exec(text.toString("latin1", 0, comma));
  const data = header && checked(text.subarray(comma + 1));
  if (!data) return undefined;
  return header[1] ? { ...data, mediaType: header[1].toLowerCase() } : data;
}

/** The bytes of a text that `readBase64` has checked. */
export function decodeBase64(text: Buffer): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Math.floor((unpadded(text).length * 3) / 4));
  for (let at = 0; at < text.length; at += slice) bytes.write(text.toString("latin1", at, at + slice), (at / 4) * 3, "base64");
  return bytes;
}

/** The first `sniffBytes` bytes of a text that `readBase64` has checked. */
export function decodeHead(text: Buffer): Buffer {
  return decodeBase64(text.subarray(0, Math.ceil(sniffBytes / 3) * 4)).subarray(0, sniffBytes);
}

function checked(text: Buffer): { ascii: Buffer } | undefined {
  if (isStandard(text)) return { ascii: text };
  const clean = text.toString("latin1").replace(/\s+/g, "").replaceAll("-", "+").replaceAll("_", "/");
  const padded = ascii(clean.endsWith("=") ? clean : clean.padEnd(Math.ceil(clean.length / 4) * 4, "="));
  return isStandard(padded) ? { ascii: padded } : undefined;
}

/** Node's decoder skips what it does not know, so a text is clean when each slice of it yields as many bytes as its length promises. */
function isStandard(text: Buffer): boolean {
  if (text.length === 0 || text.length % 4 !== 0 || text.includes("-") || text.includes("_")) return false;
  const data = unpadded(text);
  const scratch = Buffer.allocUnsafe((Math.min(slice, text.length) / 4) * 3);
  for (let at = 0; at < data.length; at += slice) {
    const part = data.toString("latin1", at, at + slice);
    if (scratch.write(part, "base64") !== Math.floor((part.length * 3) / 4)) return false;
  }
  return data.length % 4 !== 1 && data.length > 0;
}

function unpadded(text: Buffer): Buffer {
  const equals = text.at(-1) !== 0x3d ? 0 : text.at(-2) !== 0x3d ? 1 : 2;
  return text.subarray(0, text.length - equals);
}

function ascii(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
