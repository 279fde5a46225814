// Writes request bodies from the memory or files that hold their parts, once for each attempt.
import { createHash, randomBytes } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { GatewayError } from "../errors.ts";
import { isPlainObject } from "../expression/cel.ts";
import { FilePart } from "../expression/directives.ts";
import { readBase64 } from "../picture/base64.ts";
import { base64Of, chunksOf } from "../picture/convert.ts";
import { bytesPiece, fieldPieces, InputImage, jsonPieces, textPiece, type Piece } from "../picture/input.ts";
import { LongText } from "../picture/lift.ts";

/** A body that is written from the memory or files that hold its parts. It can be written any number of times. */
export interface StreamBody extends Piece {
  /** The value of the body, where it is JSON. */
  value?: unknown;
}

/** A body of up to this many bytes is put together in memory before it is sent. */
const small = 256 * 1024;

// In the document each long value is replaced by a placeholder that nobody can guess, until the text around it is written.
const mark = `piece-${randomBytes(12).toString("hex")}-`;
const marked = new RegExp(`"${mark}(\\d+)"`);

/** A value as JSON, in pieces: pieces of JSON text with images and long texts between them. The quotes of an image or long text belong to it. */
export function jsonParts(value: unknown): (string | InputImage | LongText)[] {
  const long: (InputImage | LongText)[] = [];
  const text = JSON.stringify(value, function (this: Record<string, unknown>, key: string, item: unknown) {
    // `item` went through `toJSON`, whose output is for logs; `own` is the value itself.
    const own = this[key];
    return own instanceof InputImage || own instanceof LongText ? `${mark}${long.push(own) - 1}` : item;
  });
  return long.length === 0 ? [text] : text.split(marked).map((part, index) => (index % 2 === 0 ? part : (long[Number(part)] ?? part)));
}

/** A value as JSON. Images and long texts in it never become JavaScript strings. */
export async function encodeJson(value: unknown): Promise<Buffer | StreamBody> {
  const parts = jsonParts(value);
  const [text] = parts;
  if (parts.length === 1 && typeof text === "string") return Buffer.from(text);
  const pieces: (Buffer | Piece)[] = [];
  for (const part of parts) {
    if (part instanceof InputImage) pieces.push(...(await jsonPieces(part)));
    else if (part instanceof LongText) pieces.push(...(await quoted(part)));
    else pieces.push(Buffer.from(part));
  }
  const body = bodyOf(pieces);
  return Buffer.isBuffer(body) ? body : { ...body, value };
}

/** A long text with its quotes. Base64 needs no escapes. */
async function quoted(long: LongText): Promise<(Buffer | Piece)[]> {
  const { picture, prefix } = long;
  if (!picture || picture.kind === "stream") return [Buffer.from(JSON.stringify(await wordsOf(long)))];
  return [Buffer.from(`"${prefix}`), textPiece(picture), Buffer.from('"')];
}

/** A form as multipart/form-data, as the HTML standard writes it. A list becomes one part for each item. */
export async function encodeMultipart(value: unknown): Promise<{ headers: Record<string, string>; body: Buffer | StreamBody }> {
  const boundary = `----pictor${randomBytes(16).toString("hex")}`;
  const pieces: (Buffer | Piece)[] = [];
  for (const [name, item] of entries(value)) {
    const head = `--${boundary}\r\ncontent-disposition: form-data; name="${escaped(name)}"`;
    const field = item instanceof InputImage ? fieldPieces(item) : item instanceof FilePart ? undefined : [Buffer.from(await plain(item))];
    if (field) pieces.push(Buffer.from(`${head}\r\n\r\n`), ...field);
    else {
      const { name: fileName, type, content } = await fileOf(item as InputImage | FilePart);
      pieces.push(Buffer.from(`${head}; filename="${escaped(fileName)}"\r\ncontent-type: ${type}\r\n\r\n`), content);
    }
    pieces.push(Buffer.from("\r\n"));
  }
  pieces.push(Buffer.from(`--${boundary}--\r\n`));
  return { headers: { "content-type": `multipart/form-data; boundary=${boundary}` }, body: bodyOf(pieces) };
}

/** A form as application/x-www-form-urlencoded. Images become base64 in memory, so they have to be small. */
export async function encodeForm(value: unknown): Promise<Buffer> {
  const form = new URLSearchParams();
  for (const [name, item] of entries(value)) form.append(name, item instanceof InputImage ? await fieldOf(item) : await plain(item));
  return Buffer.from(form.toString());
}

async function fieldOf(image: InputImage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of chunksOfAll(fieldPieces(image) ?? fieldPieces(image.with({ form: "base64" })) ?? [])) chunks.push(chunk);
  return Buffer.concat(chunks).toString("latin1");
}

function entries(value: unknown): [string, unknown][] {
  if (!isPlainObject(value)) return [];
  return Object.entries(value).flatMap(([name, item]) =>
    Array.isArray(item) ? item.map((one: unknown): [string, unknown] => [name, one]) : [[name, item] as [string, unknown]],
  );
}

async function plain(item: unknown): Promise<string> {
  if (item instanceof LongText) return wordsOf(item);
  return typeof item === "string" ? item : JSON.stringify(item);
}

/** Escapes line breaks and quotes, which would end the header or the name. */
function escaped(name: string): string {
  return name.replaceAll("\r", "%0D").replaceAll("\n", "%0A").replaceAll('"', "%22");
}

async function fileOf(item: InputImage | FilePart): Promise<{ name: string; type: string; content: Buffer | Piece }> {
  const image = item instanceof InputImage ? item : item.content instanceof InputImage ? item.content : undefined;
  const part = item instanceof FilePart ? item : undefined;
  return {
    name: part?.name ?? image?.name ?? "file",
    type: part?.type ?? image?.type ?? "application/octet-stream",
    content: image ? bytesOf(image) : await contentOf(part?.content),
  };
}

function bytesOf({ data, field }: InputImage): Piece {
  if (data.kind !== "url") return bytesPiece(data);
  throw new GatewayError("invalid_value", `${field} must be a file, a data URI or base64 for this model's channel, not a URL`, {
    param: field,
  });
}

/** Decodes base64; any other text is left as it is. */
async function contentOf(content: unknown): Promise<Buffer | Piece> {
  if (content instanceof LongText && content.picture && content.picture.kind !== "stream") return bytesPiece(content.picture);
  const text = Buffer.from(content instanceof LongText ? await wordsOf(content) : String(content));
  const found = readBase64(text);
  return found ? bytesPiece({ kind: "base64", ascii: found.ascii }) : text;
}

/** A long text as a string. Few channels need one. */
async function wordsOf({ picture, prefix, text }: LongText): Promise<string> {
  if (picture) return prefix + (await buffer(base64Of(picture))).toString("latin1");
  return text ? (await buffer(chunksOf(text))).toString("utf8") : "";
}

function bodyOf(pieces: readonly (Buffer | Piece)[]): Buffer | StreamBody {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (length <= small && pieces.every((piece) => Buffer.isBuffer(piece))) return Buffer.concat(pieces);
  return { length, chunks: () => chunksOfAll(pieces) };
}

async function* chunksOfAll(pieces: readonly (Buffer | Piece)[]): AsyncGenerator<Buffer> {
  for (const piece of pieces) {
    if (Buffer.isBuffer(piece)) yield piece;
    else yield* piece.chunks();
  }
}

/** The SHA-256 of a body, in hex. A `StreamBody` is read once to compute it. */
export async function hashOf(body: Buffer | StreamBody | undefined): Promise<string> {
  const hash = createHash("sha256");
  if (body === undefined || Buffer.isBuffer(body)) return hash.update(body ?? "").digest("hex");
  for await (const chunk of body.chunks()) hash.update(chunk);
  return hash.digest("hex");
}
