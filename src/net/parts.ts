import { Readable } from "node:stream";
import busboy from "@fastify/busboy";

/** One part of a multipart body. A text has no file name. */
export interface Part {
  name: string;
  fileName?: string;
  type: string;
  content: Buffer;
}

const most = 1000;

/** Read a multipart body that is here whole. Rejects with an Error for one that is broken. */
export function readParts(bytes: Buffer, type: string): Promise<Part[]> {
  return new Promise((resolve, reject) => {
    const parts: Part[] = [];
    const parser = new busboy.Busboy({
      headers: { "content-type": type },
      limits: { parts: most, headerPairs: 100, fieldSize: bytes.length + 1 },
    });
    parser.on("file", (name, stream, fileName, _encoding, kind) => {
      // It ends after what stands behind it was read, and keeps its place.
      const part: Part = { name, fileName, type: kind, content: Buffer.alloc(0) };
      parts.push(part);
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => (part.content = Buffer.concat(chunks)));
    });
    parser.on("field", (name, value, _nameCut, _valueCut, _encoding, kind) =>
      parts.push({ name, type: kind, content: Buffer.from(value) }),
    );
    parser.on("error", reject);
    parser.on("finish", () => resolve(parts));
    Readable.from([bytes]).pipe(parser);
  });
}
