// Decodes and encodes base64 in slices.
import { sniff, sniffBytes } from "./sniff.ts";

/** Base64 characters decoded or encoded at a time: a multiple of four, small enough to keep the event loop and the string heap light. */
const slice = 1024 * 1024;

/** Encodes raw bytes, in chunks of any size, as the ASCII bytes of one base64 text with padding. */
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
 * Checks a base64 text, and removes the prefix of a data URI, whose media type is returned. The result is standard base64 with padding: a part of
 * the given buffer if it was standard already, else a normalised copy (of base64url, or of a text with line breaks or without padding).
 * Undefined for a text that is empty or not base64.
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
  const bytes = Buffer.allocUnsafeSlow(decodedLength(text));
  for (let at = 0; at < text.length; at += slice) bytes.write(text.toString("latin1", at, at + slice), (at / 4) * 3, "base64");
  return bytes;
}

/** Thrown for a text that should be base64 and is not. */
export class NotBase64 extends Error {
  constructor() {
    super("not base64");
    this.name = "NotBase64";
  }
}

/**
 * Normalises base64 as it arrives: standard alphabet, padding, no prefix of a data URI (which must be in the first piece). A piece that is standard
 * already is neither copied nor checked character by character, so a picture that only passes through is not changed. Quotes and backslashes are
 * searched for, since they would end the JSON text into which the picture is written.
 * Throws `NotBase64` for a wrong character in a piece that is not standard, or for an impossible length; `decodedBase64` finds all other errors.
 */
export async function* standardBase64(text: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let prefixed = true;
  let characters = 0;
  let equals = 0;
  for await (const piece of text) {
    const part = prefixed ? piece.subarray(prefixOf(piece).length) : piece;
    prefixed = false;
    if (equals === 0 && !others.some((sign) => part.includes(sign))) {
      characters += part.length;
      yield part;
      continue;
    }
    const spelled = part.toString("latin1").replace(/\s+/g, "").replaceAll("-", "+").replaceAll("_", "/");
    const data = ascii(spelled.replace(/=+$/, ""));
    if (data.length > 0 && (equals > 0 || !isClean(data))) throw new NotBase64();
    equals += spelled.length - data.length;
    characters += data.length;
    if (data.length > 0) yield data;
  }
  const missing = (4 - (characters % 4)) % 4;
  if (characters === 0 || missing === 3 || (equals > 0 && equals !== missing)) throw new NotBase64();
  if (missing > 0) yield ascii("=".repeat(missing));
}

/** Characters of other spellings, of padding, and of JSON. Searching for all of them natively takes a third of the time of decoding. */
const others = Array.from('-_= \n\r\t"\\', (sign) => sign.charCodeAt(0));

/** Decodes the output of `standardBase64`, in pieces of any size. Throws `NotBase64` for a wrong character. */
export async function* decodedBase64(standard: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let carry = "";
  for await (const piece of standard) {
    const text = carry + piece.toString("latin1");
    const whole = text.length - (text.length % 4);
    carry = text.slice(whole);
    if (whole === 0) continue;
    // Node's decoder is three times as fast when it writes into a given buffer. It skips characters that it does not know, and writes fewer bytes.
    const bytes = Buffer.allocUnsafeSlow((whole / 4) * 3);
    const length = bytes.write(text.slice(0, whole), "base64");
    const padding = text[whole - 1] !== "=" ? 0 : text[whole - 2] !== "=" ? 1 : 2;
    if (length !== bytes.length - padding) throw new NotBase64();
    yield bytes.subarray(0, length);
  }
}

/**
 * Decodes the beginning of a text as base64, with or without the prefix of a data URI: as many bytes as `sniff` needs. Most pictures state their
 * size in the first bytes, and decoding the whole piece would make a fifth of the garbage that a small picture causes.
 */
export function guessHead(text: Buffer): Buffer {
  const from = prefixOf(text).length;
  const first = Buffer.from(text.toString("latin1", from, from + 1024), "base64");
  const seen = sniff(first);
  // The first size in an AVIF may be that of a thumbnail or tile.
  if (!seen || (seen.width !== undefined && seen.mediaType !== "image/avif")) return first;
  return Buffer.from(text.toString("latin1", from), "base64").subarray(0, sniffBytes);
}

/** The beginning of a data URI whose content is base64; empty for everything else. */
export function prefixOf(text: Buffer): string {
  if (text.toString("latin1", 0, 5).toLowerCase() !== "data:") return "";
  const prefix = text.toString("latin1", 0, text.subarray(0, 1024).indexOf(",") + 1);
  return /;\s*base64\s*,$/i.test(prefix) ? prefix : "";
}

const scratch = Buffer.allocUnsafeSlow((slice / 4) * 3);

/** True for a piece that holds only base64 characters. Node's decoder skips unknown characters, and then writes fewer bytes. */
function isClean(piece: Buffer): boolean {
  if (piece.includes("-") || piece.includes("_")) return false;
  const whole = piece.length - (piece.length % 4);
  for (let at = 0; at < whole; at += slice) {
    const end = Math.min(at + slice, whole);
    if (scratch.write(piece.toString("latin1", at, end), "base64") !== ((end - at) / 4) * 3) return false;
  }
  return /^[A-Za-z0-9+/]*$/.test(piece.toString("latin1", whole));
}

/** The number of bytes that a text encodes. `readBase64` must have checked the text. */
export function decodedLength(text: Buffer): number {
  return Math.floor((unpadded(text).length * 3) / 4);
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

function isStandard(text: Buffer): boolean {
  const data = unpadded(text);
  return text.length % 4 === 0 && data.length > 0 && data.length % 4 !== 1 && isClean(data);
}

function unpadded(text: Buffer): Buffer {
  const equals = text.at(-1) !== 0x3d ? 0 : text.at(-2) !== 0x3d ? 1 : 2;
  return text.subarray(0, text.length - equals);
}

function ascii(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
