// Reads the headers of a part of a form, strictly: an ambiguous part is refused.
import { GatewayError } from "../errors.ts";

type Encoding = "base64" | "quoted-printable" | "none";

/** The head of a part. */
export interface PartHead {
  name: string;
  fileName: string | undefined;
  /** The media type in lower case, without parameters. */
  type: string | undefined;
  charset: string | undefined;
  encoding: Encoding;
}

/** Characters that the name of a form's part may have: errors show the name. */
export const mostName = 200;

/** The error for a part that cannot be understood. */
export function partError(number: number, message: string, cause?: unknown): GatewayError {
  return new GatewayError("invalid_value", `part ${number} of the form ${message}`, { param: `part ${number}`, cause });
}

/**
 * Reads the headers of a part. `bytes` begin with the line break behind the boundary. Throws a 400 with the part's number if they cannot be
 * understood.
 */
export function readPartHead(bytes: Buffer, number: number, attachments: boolean): PartHead {
  const headers = headersOf(bytes, number);
  const bad = (message: string, cause?: unknown) => partError(number, message, cause);
  const header = headers.get("content-disposition");
  if (header === undefined) throw bad('has no content-disposition; send form-data; name="..."');
  const disposition = readParameters(header);
  if (disposition?.value !== "form-data" && !(attachments && disposition?.value === "attachment"))
    throw bad('has a content-disposition that cannot be read; send form-data; name="..."');
  const { parameters } = disposition;
  const text = (name: string) => {
    try {
      const extended = parameters.get(`${name}*`);
      const read = extended === undefined ? decodedWords(parameters.get(name)) : extendedValue(extended);
      if (/\p{Cc}/u.test(read ?? "")) throw new Error("a control character");
      return read;
    } catch (error) {
      throw bad(`has a ${name} that cannot be read; send it as plain UTF-8`, error);
    }
  };
  const name = text("name");
  if (!name) throw bad('has no name; send content-disposition: form-data; name="..."');
  if (name.length > mostName) throw bad(`has a name longer than ${mostName} characters`);
  const type = readParameters(headers.get("content-type") ?? "");
  if (type?.value.startsWith("multipart/")) throw bad("is a multipart body itself; send each of its parts as a part of the form");
  const encoding = (headers.get("content-transfer-encoding") ?? "binary").trim().toLowerCase();
  const known = encodings.get(encoding);
  if (!known) throw bad("has an unknown content-transfer-encoding; send the bytes as they are");
  // Some browsers send the whole path of the file.
  const fileName = text("filename")?.replace(/^.*[\\/]/s, "");
  return { name, fileName, type: type?.value, charset: type?.parameters.get("charset"), encoding: known };
}

const encodings = new Map<string, Encoding>([
  ["7bit", "none"],
  ["8bit", "none"],
  ["binary", "none"],
  ["base64", "base64"],
  ["quoted-printable", "quoted-printable"],
]);

/** The headers of a part by their names in lower case. */
function headersOf(bytes: Buffer, number: number): Map<string, string> {
  const headers = new Map<string, string>();
  const [, ...lines] = headText(bytes)
    .replace(/\r\n[\t ]+/g, " ")
    .split("\r\n");
  for (const line of lines) {
    const [, name = "", value = ""] = /^([!#$%&'*+.^_`|~\w-]+):[\t ]*(.*)$/s.exec(line) ?? [];
    const key = name.toLowerCase();
    if (key === "" || /[^\P{Cc}\t]/u.test(line))
      throw partError(number, "has a header that cannot be read; send lines of name: value, without a space before the colon");
    if (headers.has(key)) throw partError(number, `has the header ${key.slice(0, 60)} twice; send it once`);
    headers.set(key, value);
  }
  return headers;
}

/** The headers as text: UTF-8, or Latin-1, in which old clients write file names. */
function headText(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return bytes.toString("latin1");
  }
}

/** Splits a header such as `form-data; name="image"` into its value, in lower case, and its parameters. Undefined for a malformed header. */
export function readParameters(header: string): { value: string; parameters: Map<string, string> } | undefined {
  const [beginning = "", value = ""] = /^\s*([^\s;="]+)\s*/.exec(header) ?? [];
  const parameters = new Map<string, string>();
  const next = /;\s*(?:([^\s;="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))\s*)?/sy;
  let at = beginning.length;
  while (at < header.length) {
    next.lastIndex = at;
    const found = next.exec(header);
    if (!found) return undefined;
    at = next.lastIndex;
    const [, name, quoted, plain = ""] = found;
    if (name === undefined) continue;
    // With a parameter given twice nobody knows which one is meant.
    if (parameters.has(name.toLowerCase())) return undefined;
    parameters.set(name.toLowerCase(), quoted?.replace(/\\(["\\])/g, "$1") ?? plain);
  }
  return value === "" ? undefined : { value: value.toLowerCase(), parameters };
}

/** Decodes an extended value of RFC 5987, such as `UTF-8''na%C3%AFve.png`. Throws for anything else. */
function extendedValue(text: string): string {
  const [, charset = "", encoded = ""] = /^([\w-]+)'[\w-]*'((?:[^%]|%[\da-f]{2})*)$/i.exec(text) ?? [];
  return inCharset(fromHex(encoded, "%"), charset);
}

/** Decodes the encoded words of RFC 2047 in a text. Throws for one in an unknown charset. */
function decodedWords(text: string | undefined): string | undefined {
  return text?.replace(/=\?([\w-]+)\?([bq])\?([^?]*)\?=(?:\s+(?==\?))?/gi, (_word, charset: string, kind: string, data: string) =>
    inCharset(kind.toLowerCase() === "b" ? Buffer.from(data, "base64") : fromHex(data.replaceAll("_", " "), "="), charset),
  );
}

/** The bytes of a Latin-1 text in which some bytes are escaped: the sign and two hexadecimal digits. */
export function fromHex(text: string, sign: "%" | "="): Buffer {
  const read = text.replace(new RegExp(`${sign}([\\da-f]{2})`, "gi"), (_all, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(read, "latin1");
}

/** Bytes as text. Throws for a charset that is not known, or bytes that are not in it. */
export function inCharset(bytes: Buffer, charset = "utf-8"): string {
  return new TextDecoder(charset, { fatal: true }).decode(bytes);
}
