import { randomBytes } from "node:crypto";

/** A long text of a provider's JSON, kept as the bytes it arrived as. Expressions hand it on; nothing reads it as a string. */
export class LongText {
  readonly ascii: Buffer;
  constructor(ascii: Buffer) {
    this.ascii = ascii;
  }

  /** What a log or a message shows of it. */
  toString(): string {
    return `(text of ${this.ascii.length} bytes)`;
  }

  toJSON(): string {
    return this.toString();
  }
}

/** Texts from this length on are lifted out, in bytes. */
export const liftFrom = 64 * 1024;

// A text that a provider could not have guessed stands in the small document for each lifted one.
const mark = `lifted-${randomBytes(12).toString("hex")}-`;

// JSON has none, some writers begin with one all the same.
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

const quote = 0x22;
const backslash = 0x5c;

/**
 * Parse JSON whose long texts become `LongText`, so that a picture's base64 is neither decoded, copied nor kept as a string.
 * Throws `SyntaxError` for what is not JSON.
 */
export function parseLifted(bytes: Buffer): unknown {
  if (bytes.subarray(0, 3).equals(byteOrderMark)) return parseLifted(bytes.subarray(3));
  if (bytes.length < liftFrom) return JSON.parse(bytes.toString("utf8"));
  const lifted: Buffer[] = [];
  const small: Buffer[] = [];
  let from = 0;
  let start = bytes.indexOf(quote);
  while (start !== -1) {
    const end = endOfText(bytes, start + 1);
    if (end === -1) break;
    if (end - start > liftFrom) {
      small.push(bytes.subarray(from, start + 1), Buffer.from(`${mark}${lifted.length}`));
      lifted.push(unescaped(bytes.subarray(start + 1, end)));
      from = end;
    }
    start = bytes.indexOf(quote, end + 1);
  }
  small.push(bytes.subarray(from));
  return JSON.parse(Buffer.concat(small).toString("utf8"), (_key, value: unknown) =>
    typeof value === "string" && value.startsWith(mark) ? new LongText(lifted[Number(value.slice(mark.length))] ?? Buffer.alloc(0)) : value,
  );
}

/** The index of the quote that ends the text begun before `at`. */
function endOfText(bytes: Buffer, at: number): number {
  for (let end = bytes.indexOf(quote, at); end !== -1; end = bytes.indexOf(quote, end + 1)) {
    let slashes = 0;
    while (bytes[end - 1 - slashes] === backslash) slashes += 1;
    if (slashes % 2 === 0) return end;
  }
  return -1;
}

/** Base64 has no escapes but the `\/` and line breaks of some writers; only such a text is read as a string. */
function unescaped(text: Buffer): Buffer {
  return text.includes(backslash) ? Buffer.from(JSON.parse(`"${text.toString("utf8")}"`) as string) : text;
}
