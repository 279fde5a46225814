// Reads the pictures that the demo edits.
import type { IncomingMessage } from "node:http";
import busboy from "@fastify/busboy";
import { readPicture } from "./retouch.ts";

/** The texts and pictures of a form by name, the pictures made small as they arrive. Rejects for a form or picture that is broken. */
export async function readPictures(request: IncomingMessage): Promise<{ texts: Map<string, string>; pictures: Map<string, Buffer[]> }> {
  const texts = new Map<string, string>();
  const reading: { name: string; picture: Promise<Buffer> }[] = [];
  await new Promise<void>((resolve, reject) => {
    const parser = new busboy.Busboy({ headers: { ...request.headers, "content-type": request.headers["content-type"] ?? "" } });
    parser.on("field", (name, value) => texts.set(name, value));
    parser.on("file", (name, stream) => {
      const picture = readPicture(stream);
      picture.catch(() => stream.resume());
      reading.push({ name, picture });
    });
    parser.on("error", reject);
    parser.on("finish", resolve);
    request.once("error", reject);
    request.pipe(parser);
  });
  const pictures = new Map<string, Buffer[]>();
  for (const { name, picture } of reading) pictures.set(name, [...(pictures.get(name) ?? []), await picture]);
  return { texts, pictures };
}
