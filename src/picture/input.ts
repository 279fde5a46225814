// Describes an input image of a request, and writes it into the body of a call.
import { base64Length, base64Of, chunksOf, sizeOf } from "./convert.ts";
import type { PictureData } from "./picture.ts";

/** An input image's bytes, which can be read as often as a body is written, or the URL that the client gave. */
export type InputData = Exclude<PictureData, { kind: "stream" }>;

/** The form of an image in a body. Without one it is a file in a form and a data URI in JSON. A URL is always written as it is. */
export type InputForm = "file" | "base64" | "data_uri" | "integers";

interface Parts {
  data: InputData;
  /** The field in which the client sent it, such as `image`, `image[2]` or `mask`. Errors name it. */
  field: string;
  /** The file name. */
  name: string;
  /** The media type by magic number; absent for a URL that nobody fetched. */
  type?: string;
  /** Pixels as stored. */
  width?: number;
  height?: number;
  form?: InputForm;
  /** The URL of this gateway at which the same bytes are stored. */
  source?: string;
  /** True if its URL may be sent to a provider even when it shows a private address: the operator has allowed it. */
  mayBePrivate?: boolean;
}

/**
 * An image that a client sent with a request. It is immutable; a step that needs a changed image makes a new one with `with`. Templates pass it
 * on, and may read its name, type, width, height and url. Its bytes are written into a body piece by piece, and never become a string.
 */
export class InputImage implements Readonly<Parts> {
  readonly data: InputData;
  readonly field: string;
  readonly name: string;
  readonly type: string | undefined;
  readonly width: number | undefined;
  readonly height: number | undefined;
  readonly form: InputForm | undefined;
  readonly source: string | undefined;
  readonly mayBePrivate: boolean;

  constructor(parts: Parts) {
    this.data = parts.data;
    this.field = parts.field;
    this.name = parts.name;
    this.type = parts.type;
    this.width = parts.width;
    this.height = parts.height;
    this.form = parts.form;
    this.source = parts.source;
    this.mayBePrivate = parts.mayBePrivate ?? false;
  }

  get url(): string | undefined {
    return this.data.kind === "url" ? this.data.url : undefined;
  }

  with(parts: Partial<Parts>): InputImage {
    const { data, field, name, type, width, height, form, mayBePrivate } = this;
    // New bytes are not stored under the old URL.
    const source = parts.data ? undefined : this.source;
    return new InputImage({ data, field, name, type, width, height, form, source, mayBePrivate, ...parts });
  }

  /** A short form for logs, changes and messages. */
  toString(): string {
    if (this.data.kind === "url") return this.data.url.slice(0, 200);
    return `(image of ${sizeOf(this.data)} bytes${this.type === undefined ? "" : `, ${this.type}`})`;
  }

  toJSON(): string {
    return this.toString();
  }
}

/** A piece of a body whose bytes are read only when they are sent; `length` is in bytes. */
export interface Piece {
  length: number;
  chunks(): AsyncIterable<Buffer>;
}

/** An image as a JSON value: a text with its quotes, or a list of integers. */
export async function jsonPieces(image: InputImage): Promise<(Buffer | Piece)[]> {
  const { data, type, form } = image;
  if (data.kind === "url") return [Buffer.from(JSON.stringify(data.url))];
  if (form === "integers") {
    let length = 0;
    for await (const chunk of integersOf(data)) length += chunk.length;
    return [{ length, chunks: () => integersOf(data) }];
  }
  const prefix = form === "base64" ? "" : `data:${type ?? "application/octet-stream"};base64,`;
  return [Buffer.from(`"${prefix}`), textPiece(data), Buffer.from('"')];
}

/** An image as the text of a form's field; undefined for an image that is sent as a file. */
export function fieldPieces({ data, type, form }: InputImage): (Buffer | Piece)[] | undefined {
  if (data.kind === "url") return [Buffer.from(data.url)];
  if (form === "base64") return [textPiece(data)];
  if (form === "data_uri") return [Buffer.from(`data:${type ?? "application/octet-stream"};base64,`), textPiece(data)];
  return undefined;
}

/** The bytes of an image that is not a URL. */
export function bytesPiece(data: Exclude<InputData, { kind: "url" }>): Piece {
  return { length: sizeOf(data), chunks: () => chunksOf(data) };
}

/** A picture as base64. */
export function textPiece(data: Exclude<InputData, { kind: "url" }>): Piece {
  return { length: base64Length(data) ?? 0, chunks: () => base64Of(data) };
}

/** The image's bytes as a JSON list: `[137,80,78]`. */
async function* integersOf(data: Exclude<InputData, { kind: "url" }>): AsyncGenerator<Buffer> {
  let opening = "[";
  for await (const chunk of chunksOf(data)) {
    for (let at = 0; at < chunk.length; at += 64 * 1024) {
      yield Buffer.from(opening + chunk.subarray(at, at + 64 * 1024).join(","));
      opening = ",";
    }
  }
  yield Buffer.from(opening === "[" ? "[]" : "]");
}
