// Reads the bytes of an operator's file as the text that they should be.
import { isUtf8 } from "node:buffer";

/** Bytes as UTF-8, or what they are instead and what would be right. `offset` is where in the text the first wrong byte stands. */
export function decode(bytes: Buffer): { text: string; wrong?: { message: string; offset: number } } {
  const wide = encodingOf(bytes);
  if (wide !== undefined) return wrongAt("", 0, `the file is ${wide}; save it as UTF-8`);
  const text = bytes.toString("utf8");
  const nul = text.indexOf("\0");
  if (nul >= 0) return wrongAt(text, nul, "a zero byte, which no text has; save the file as UTF-8");
  const broken = isUtf8(bytes) ? -1 : text.indexOf("\ufffd");
  return broken < 0 ? { text } : wrongAt(text, broken, "a byte that is not UTF-8; save the file as UTF-8");
}

function wrongAt(text: string, offset: number, message: string) {
  return { text, wrong: { message, offset } };
}

/** The encoding, if it is UTF-16 or UTF-32: known by a byte order mark, or by a zero in every second byte. */
function encodingOf(bytes: Buffer): string | undefined {
  const head = bytes.subarray(0, 4).toString("hex");
  if (/^(?:fffe0000|0000feff)/.test(head)) return "UTF-32";
  if (/^(?:fffe|feff)/.test(head) || /^(?:00(?!00)..00(?!00)..|(?!00)..00(?!00)..00)$/.test(head)) return "UTF-16";
  return undefined;
}
